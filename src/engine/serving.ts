// What a training thread does: owns the engine and answers calls one after another.
import { readlinkSync } from 'node:fs'
import os from 'node:os'
import { basename } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { resolveModel } from '../model/config.js'
import { layoutOf } from '../model/parameters.js'
import type { EngineInfo, RoundResult, StepReport } from '../ports/trainer.js'
import { type Answer, type Call, CLOSE, CLOSING, START, type ThreadSetup, toWords } from './calls.js'
import { code } from './coding.js'
import type { Engine } from './engine.js'
import { EngineInUse } from './engine-in-use.js'
import { LocalTrainer, type RoundControl } from './local-trainer.js'
import type { EngineName } from './names.js'
import type { EngineChoice, Work } from './open-engine.js'

/** Niceness of the thread: below the network thread, which needs little but needs it soon. */
const TRAINING_NICENESS = 10

const port = parentPort!
const { setup, aborted } = workerData as ThreadSetup

/** The last round that finished: it stands unless a later call says that it was aborted. */
let finished: number | null = null

/** Opens an engine; a parameter so that tests can have ones that fail. */
type OpenEngine = (choice: EngineChoice, work: Work) => Promise<Engine>

/** Opens the trainer and answers the calls that come from the main thread. */
export function serve(openEngine: OpenEngine): void {
  const opened = openTrainer(openEngine)
  opened.then(
    ({ info }) => answer({ kind: 'done', id: START, gives: info }),
    (error) => answer({ kind: 'failed', id: START, error: toWords(error) }),
  )
  let previous: Promise<unknown> = opened.catch(() => {})
  port.on('message', (call: Call | typeof CLOSE) => {
    // Ends this thread alone.
    previous = previous.then(() => (call === CLOSE ? process.exit() : handle(opened, call)))
  })
}

const isClosing = (): boolean => Atomics.load(aborted, 0) === CLOSING

interface Opened {
  readonly trainer: LocalTrainer
  readonly info: EngineInfo
}

async function openTrainer(openEngine: OpenEngine): Promise<Opened> {
  lowerPriority()
  const { engine: name, device, threads, inner: options, microBatch } = setup
  const config = resolveModel(setup.model, setup.tokens.vocabulary)
  const parameters = layoutOf(config).size
  const work = { config, options, batch: options.batch, microBatch }
  const engine = await openEngine({ engine: name, device, threads }, work)
  const replace = (failed: Engine) => {
    return openEngine({ engine: replacementOf(failed.name), device: null, threads }, work)
  }
  const inUse = new EngineInUse(engine, replace, (warning, now) => {
    answer({ kind: 'replaced', warning, info: infoOf(now, parameters) })
  })
  return { trainer: new LocalTrainer(inUse, config, setup, isClosing), info: infoOf(engine, parameters) }
}

/** What works on most machines; and what works everywhere, where it was that which failed. */
const replacementOf = (failed: string): EngineName => (failed === 'onnx-cpu' ? 'wasm' : 'onnx-cpu')

const infoOf = ({ name, reason, threads, memory }: Engine, parameters: number): EngineInfo => ({
  name,
  reason,
  threads,
  parameters,
  memory,
})

async function handle(opened: Promise<Opened>, call: Call): Promise<void> {
  try {
    const { trainer } = await opened
    if (finished === call.undo) {
      trainer.undo()
      finished = null
    }
    const { gives, transfer } = await perform(trainer, call)
    answer({ kind: 'done', id: call.id, gives }, transfer)
  } catch (error) {
    answer({ kind: 'failed', id: call.id, error: toWords(error) })
  }
}

type Outcome = Pick<Extract<Answer, { kind: 'done' }>, 'gives'> & { transfer: ArrayBuffer[] }

async function perform(trainer: LocalTrainer, { id, name, takes }: Call): Promise<Outcome> {
  switch (name) {
    case 'initial': {
      const theta = trainer.initial()
      return { gives: theta, transfer: [theta.buffer as ArrayBuffer] }
    }
    case 'rehearse':
      return { gives: await trainer.rehearse(takes.theta), transfer: [] }
    case 'train': {
      const result = await trainer.train(takes, controlOf(id))
      finished = id
      return handOver(result)
    }
    case 'code': {
      const coded = code(takes)
      const { payload, residual } = coded
      const arrays = residual === null ? [payload] : [payload, residual]
      return { gives: coded, transfer: arrays.map(({ buffer }) => buffer as ArrayBuffer) }
    }
    case 'restore':
      trainer.restore(takes)
      return { gives: null, transfer: [] }
    case 'evaluate':
      return { gives: await trainer.evaluate(takes.theta, takes.batches), transfer: [] }
    case 'generate':
      return { gives: await trainer.generate(takes), transfer: [] }
  }
}

/** The inner state goes out as a copy: the thread goes on with its own. */
function handOver(result: RoundResult): Outcome {
  const { gradient, inner } = result
  const copy = { ...inner, m: inner.m.slice(), v: inner.v.slice() }
  const transfer = [gradient, copy.m, copy.v].map((values) => values.buffer as ArrayBuffer)
  return { gives: { ...result, inner: copy }, transfer }
}

function controlOf(id: number): RoundControl {
  const isAborted = () => isClosing() || Atomics.load(aborted, 0) === id
  return {
    isAborted,
    sleep: (ms) => {
      const seen = Atomics.load(aborted, 0)
      if (seen !== id && seen !== CLOSING) Atomics.wait(aborted, 0, seen, ms)
    },
    onStep: (report: StepReport) => answer({ kind: 'step', id, report }),
  }
}

function answer(message: Answer, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}

/** Linux takes a thread's id where a process's is asked for; elsewhere threads share the process's priority. */
function lowerPriority(): void {
  if (process.platform !== 'linux') return
  try {
    os.setPriority(Number(basename(readlinkSync('/proc/thread-self'))), TRAINING_NICENESS)
  } catch {
    // A sandbox without /proc, or one that forbids it: training works all the same, the network less smoothly.
  }
}
