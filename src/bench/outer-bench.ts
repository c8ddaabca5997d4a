// `skein bench outer`: the outer step by its parts, plain and by kernels, and what it costs the network thread.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import type { ApplyEntry } from '../core/entries.js'
import { assignmentId, peerId } from '../core/ids.js'
import { emptyLedger, type LedgerState } from '../core/ledger.js'
import { compileOuterKernels } from '../node/outer-kernels.js'
import { OuterStates } from '../node/outer-states.js'
import { OuterVectors } from '../node/outer-vectors.js'
import { copyInSlices } from '../node/slices.js'
import { type OuterState, outerOptimizer } from '../outer/optimizer.js'
import { firstSnapshot, nextSnapshot, type Snapshot } from '../outer/snapshot.js'
import { contentName } from '../platform/content-name.js'
import { sha256 } from '../platform/sha256.js'
import { bytesUnder } from '../store/safetensors.js'
import { outerSchema } from '../swarmfile/schema.js'
import { codecs } from '../tensor/codec.js'
import { digestVector } from '../tensor/digest.js'
import { type OuterRow, outerRow } from './outer-row.js'
import { type Report, thisMachine } from './report.js'

/** Every part takes a turn in every round, so that what slows the machine slows them alike. */
const rounds = 11
/** The first rounds compile, and find memory that is new. */
const warmUpRounds = 2
/** Applies in a row while the event loop is watched, and how often. */
const applies = 20
const watches = 5
/** Sampling period of the event loop; Node's figures include it, ours do not. */
const resolutionMs = 1
/** Keeps a core as busy as the thread does, and asks nothing of the main thread. */
const hashing = `
  const { createHash } = require('node:crypto')
  const bytes = new Uint8Array(2 ** 24)
  for (;;) createHash('sha256').update(bytes).digest()`
/** One theta in so many is handed out, as to a worker that trains from it: its memory is not used again. */
const handedOut = 4

const config = outerSchema.parse({})
const peer = peerId('bench')
const ledgerAt = (version: number): LedgerState => ({ ...emptyLedger([1], peer), version })

/** @param say is told what is measured next */
export async function benchOuter(parameters: number, say: (what: string) => void): Promise<Report<OuterRow>> {
  const g = madeVector(parameters, 2 ** -10)
  const theta = madeVector(parameters, 1)
  say('decoding, steps and digests')
  const parts = await measuredParts(parameters, theta, g)
  say('whole applies, on the main thread and in their own')
  const whole = await measuredApplies(parameters, theta, g)
  return {
    bench: 'outer',
    machine: thisMachine({ onnxruntime: null, torch: null }),
    rows: [...parts, ...whole],
  }
}

interface Part extends Pick<OuterRow, 'what' | 'how'> {
  readonly run: () => unknown
}

async function measuredParts(parameters: number, theta: Float32Array, g: Float32Array): Promise<OuterRow[]> {
  const parts = [...decodings(g), ...(await steps(theta, g)), ...digests(theta)]
  const ms = parts.map((): number[] => [])
  for (let round = 0; round < warmUpRounds + rounds; round++) {
    for (const [i, { run }] of parts.entries()) {
      const taken = await timed(run)
      if (round >= warmUpRounds) ms[i].push(taken)
    }
  }
  return parts.map(({ what, how }, i) => outerRow({ what, how, parameters }, ms[i]))
}

function decodings(g: Float32Array): Part[] {
  const payload = codecs.fp32.encode(g)
  const inbox = new Uint8Array(new SharedArrayBuffer(payload.length))
  return [
    { what: 'decode', how: 'value by value', run: () => codecs.fp32.decode(payload, g.length) },
    { what: 'decode', how: 'copied to shared memory', run: () => copyInSlices(payload, inbox) },
  ]
}

/** Plain steps make new vectors each time; kernels write to the same ones again. */
async function steps(theta: Float32Array, g: Float32Array): Promise<Part[]> {
  const optimizer = outerOptimizer('delayed-nesterov')
  const plain: OuterState = { theta, slots: { momentum: theta.slice(), buffer: g.slice() }, phase: 0 }
  const initial = [theta, g, plain.slots.momentum, plain.slots.buffer, theta, g]
  const vectors = new OuterVectors(theta.length, initial.length, await compileOuterKernels())
  for (const [place, values] of initial.entries()) vectors.write(place, values)
  const places = { theta: 0, g: 1, momentum: 2, buffer: 3, newTheta: 4, newSlot: 5 }
  const moments = [
    { what: 'step between milestones', phase: 0 },
    { what: 'step at a milestone', phase: config.bufferSize - 1 },
  ] as const
  return moments.flatMap(({ what, phase }): Part[] => [
    { what, how: 'plain loop, to new memory', run: () => optimizer.apply({ ...plain, phase }, g, 1, config) },
    { what, how: 'kernel', run: () => vectors.take(optimizer.step(phase, 1, config), places) },
  ])
}

function digests(values: Float32Array): Part[] {
  return [
    { what: 'digest', how: 'of a copy', run: () => digestVector(values, sha256) },
    { what: 'digest', how: 'in place', run: () => contentName(bytesUnder(values)) },
  ]
}

async function measuredApplies(
  parameters: number,
  theta: Float32Array,
  g: Float32Array,
): Promise<OuterRow[]> {
  const payload = codecs.fp32.encode(g)
  const settled = {
    kind: 'apply',
    codec: 'fp32',
    assignment: assignmentId(1),
    worker: peer,
    steps: 1,
    speed: 1,
    loss: 1,
  } as const
  const entry: ApplyEntry = { ...settled, payload: contentName(payload), version: 1, staleness: 0, weight: 1 }
  const plain = await timesOf(plainApplies(entry, payload, theta))
  const { latencies, delays, others } = await watchedApplies(entry, payload, theta)
  const inThread = 'in a thread, by kernels'
  return [
    outerRow({ what: 'apply', how: 'on the main thread, plain', parameters }, plain),
    outerRow({ what: 'apply', how: inThread, parameters }, latencies),
    outerRow(
      { what: 'event-loop delay', how: `worst of ${applies} applies ${inThread}`, parameters },
      delays,
    ),
    outerRow({ what: 'event-loop delay', how: 'worst of as long beside a busy thread', parameters }, others),
  ]
}

/** Applies that hold up the thread they are made on for as long as they take. */
function plainApplies(entry: ApplyEntry, payload: Uint8Array, theta: Float32Array): () => void {
  let held: Snapshot = firstSnapshot(theta, ledgerAt(0), { outer: config }, sha256)
  return () => {
    if (contentName(payload) !== entry.payload) throw new Error('the payload changed')
    const g = codecs.fp32.decode(payload, theta.length)
    held = nextSnapshot(held, entry, ledgerAt(held.ledger.version + 1), [g], { outer: config }, sha256)
  }
}

async function watchedApplies(entry: ApplyEntry, payload: Uint8Array, theta: Float32Array) {
  const states = new OuterStates({ outer: config, compression: { codec: 'fp32', density: 1 } })
  const latencies: number[] = []
  const delays: number[] = []
  const others: number[] = []
  let version = 0
  const apply = async () => {
    version += 1
    await states.apply(entry, ledgerAt(version), payload)
    if (version % handedOut === 0) states.theta(version)
  }
  try {
    await states.found(theta, ledgerAt(0))
    // As many as bring all memory into use.
    for (let i = 0; i < applies; i++) await apply()
    for (let watch = 0; watch < watches; watch++) {
      const start = performance.now()
      const applied = async () => {
        for (let i = 0; i < applies; i++) latencies.push(await timed(apply))
      }
      delays.push(await worstDelay(applied))
      others.push(await besideBusyThread(performance.now() - start))
    }
  } finally {
    await states.close()
  }
  return { latencies, delays, others }
}

/** What the machine does to the event loop anyway. */
async function besideBusyThread(ms: number): Promise<number> {
  const busy = new Worker(hashing, { eval: true })
  try {
    return await worstDelay(() => setTimeout(ms))
  } finally {
    await busy.terminate()
  }
}

/** The longest that the event loop was held up, in ms. */
async function worstDelay(work: () => Promise<void>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  await work()
  delay.disable()
  return Math.max(0, delay.max / 1e6 - resolutionMs)
}

async function timesOf(run: () => unknown): Promise<number[]> {
  const ms: number[] = []
  for (let round = 0; round < warmUpRounds + rounds; round++) ms.push(await timed(run))
  return ms.slice(warmUpRounds)
}

async function timed(run: () => unknown): Promise<number> {
  // A turn of the event loop in between, as there is in a peer.
  await setImmediate()
  const start = performance.now()
  await run()
  return performance.now() - start
}

/** Values that look random, in [-scale, scale). */
function madeVector(length: number, scale: number): Float32Array {
  const values = new Float32Array(length)
  let word = 1
  for (let i = 0; i < length; i++) {
    word = (Math.imul(1664525, word) + 1013904223) | 0
    values[i] = (word / 2 ** 31) * scale
  }
  return values
}
