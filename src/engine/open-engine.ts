// Opens the engine that was asked for, or the fastest of those that this machine has.
import { UserError } from '../core/user-error.js'
import type { AdamwOptions } from '../model/adamw.js'
import type { ModelConfig } from '../model/config.js'
import { layoutOf } from '../model/parameters.js'
import { type BackendName, openBackend } from './backends.js'
import { eagerEngine } from './eager.js'
import type { Engine } from './engine.js'
import { registerGradients } from './gradients.js'
import { checkDevice, type EngineName, parseEngineName, takesDevice } from './names.js'
import { deviceEngine } from './onnx/device-engine.js'
import { hostEngine } from './onnx/host-engine.js'
import { isGpuInSight, refuseEmulation, requireProvider } from './onnx/providers.js'
import { type MakeEngine, selfCheck } from './self-check.js'
import { stepTime } from './trial.js'
import { UnusableEngine } from './unusable.js'

/** What was asked for. */
export interface EngineChoice {
  /** One of engineNames. */
  readonly engine: string
  /** Which of several GPUs; null where none was asked for. */
  readonly device: number | null
  readonly threads: number
}

/** What the engine is to do. */
export interface Work {
  readonly config: ModelConfig
  readonly options: AdamwOptions
  /** Sequences in a batch. */
  readonly batch: number
  /** Sequences taken at once, at most. */
  readonly microBatch?: number
}

type ConcreteName = Exclude<EngineName, 'auto'>

/** Loads an engine's libraries. @throws UserError that says what is missing and how to get it */
export type LoadEngine = (choice: EngineChoice) => Promise<MakeEngine>

export type Loaders = Readonly<Record<ConcreteName, LoadEngine>>

export const loaders: Loaders = {
  'onnx-cpu': ({ threads }) => {
    return Promise.resolve((config, options, microBatch) => {
      return hostEngine({ config, layout: layoutOf(config) }, options, threads, microBatch)
    })
  },
  'onnx-webgpu': async ({ engine }) => {
    if (engine !== 'auto') return onGpu('webgpu', null)
    if (!isGpuInSight()) throw new UserError('engine', 'no GPU in sight', 'install its driver')
    const make = await onGpu('webgpu', null)
    await refuseEmulation()
    return make
  },
  'onnx-cuda': ({ device }) => onGpu('cuda', device),
  tensorflow: ({ threads, device }) => onBackend('tensorflow', threads, device),
  wasm: ({ threads }) => onBackend('wasm', threads),
  cpu: ({ threads }) => onBackend('cpu', threads),
}

async function onGpu(provider: 'webgpu' | 'cuda', device: number | null): Promise<MakeEngine> {
  await requireProvider(provider, device ?? 0)
  return (config, options, microBatch) => {
    return deviceEngine(provider, { config, layout: layoutOf(config) }, options, device ?? 0, microBatch)
  }
}

async function onBackend(
  name: BackendName,
  threads: number,
  device: number | null = null,
): Promise<MakeEngine> {
  const backend = await openBackend(name, threads, device)
  return (config, options, microBatch) => eagerEngine(backend, config, options, microBatch)
}

/** Engines that must prove themselves: their drivers and libraries differ from machine to machine. */
const fastEngines = ['onnx-cuda', 'onnx-webgpu', 'tensorflow', 'onnx-cpu'] as const satisfies ConcreteName[]

/**
 * @param load how engines are loaded; a parameter so that tests need none
 * @throws UserError when the name is unknown, or the engine asked for is missing or computes wrongly
 */
export async function openEngine(choice: EngineChoice, work: Work, load: Loaders = loaders): Promise<Engine> {
  registerGradients()
  const name = parseEngineName(choice.engine)
  checkDevice(name, choice.device)
  if (name === 'auto') return openFastest(choice, work, load)
  const make = await load[name](choice)
  if (fastEngines.some((fast) => fast === name)) await selfCheck(name, make)
  return made(make, work, 'asked for')
}

/** An engine that passed its self-check. */
interface Able {
  readonly name: ConcreteName
  readonly make: MakeEngine
}

/** Why an engine is not the one. */
type PassOver = (name: ConcreteName, error: Error) => void

async function openFastest(choice: EngineChoice, work: Work, load: Loaders): Promise<Engine> {
  const passedOver: string[] = []
  const passOver: PassOver = (name, error) => passedOver.push(`${name} (${shortly(error)})`)
  const able = await allAble(choice, load, passOver)
  const { make, why } =
    (await fastestOf(able, work, passOver)) ?? (await lastResort(choice, load, passedOver))
  const others = passedOver.length > 0 ? [`passed over: ${passedOver.join(', ')}`] : []
  return made(make, work, why, ...others)
}

const shortly = (error: Error): string =>
  (error instanceof UnusableEngine ? error.why : error.message).split('\n')[0]

async function allAble(choice: EngineChoice, load: Loaders, passOver: PassOver): Promise<Able[]> {
  const able: Able[] = []
  for (const name of fastEngines) {
    try {
      if (!takesDevice(name, choice.device)) throw new Error(`cannot be given GPU ${choice.device}`)
      const make = await load[name](choice)
      await selfCheck(name, make)
      able.push({ name, make })
    } catch (error) {
      passOver(name, error as Error)
    }
  }
  return able
}

/** Where there is a choice, all take a trial step. */
async function fastestOf(able: readonly Able[], work: Work, passOver: PassOver) {
  if (able.length === 0) return null
  if (able.length === 1) return { make: able[0].make, why: 'passed its self-check' }
  const timed = await byTime(able, work, passOver)
  if (timed.length === 0) return null
  const figures = timed.map(({ name, ms }) => `${name} ${Number(ms.toPrecision(2))} ms`)
  return { make: timed[0].make, why: `the fastest in a trial step (${figures.join(', ')})` }
}

/** Fastest first; one that fails its trial is passed over. */
async function byTime(able: readonly Able[], { config, options, batch }: Work, passOver: PassOver) {
  const timed: (Able & { readonly ms: number })[] = []
  // From the last, which is there on most machines: a GPU that is emulated loses to it at its first step.
  for (const { name, make } of [...able].reverse()) {
    try {
      const best = Math.min(...timed.map(({ ms }) => ms))
      timed.push({ name, make, ms: await stepTime(make, config, options, batch, best) })
    } catch (error) {
      passOver(name, error as Error)
    }
  }
  return timed.sort((one, other) => one.ms - other.ms)
}

async function lastResort(choice: EngineChoice, load: Loaders, passedOver: readonly string[]) {
  if (choice.device === null) return { make: await load.wasm(choice), why: 'works everywhere' }
  throw new UserError(
    'engine',
    `no engine can use GPU ${choice.device}: ${passedOver.join(', ')}`,
    'leave --device out, or install an engine that can: the README tells how for onnx-cuda',
  )
}

/** The engine, with the reasons why it is this one. */
async function made(
  make: MakeEngine,
  work: Work,
  why: string,
  ...others: readonly string[]
): Promise<Engine> {
  const { config, options, batch, microBatch = batch } = work
  const engine = await make(config, options, microBatch < batch ? microBatch : undefined)
  const own = engine.reason === '' ? [] : [engine.reason]
  return { ...engine, reason: [why, ...own, ...others].join('; ') }
}
