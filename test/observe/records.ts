// Made records of a short run of three peers, and what they add up to.

import { assignmentId, hash, peerId, runId } from '../../src/core/ids.js'
import type { EventRecord, Report } from '../../src/core/reports.js'
import { afterRecord, type SwarmState, unseenSwarm } from '../../src/observe/swarm-view.js'
import { runSchema } from '../../src/swarmfile/schema.js'

const START_MS = Date.parse('2026-01-01T00:00:00.000Z')
export const names = ['anser', 'branta', 'cygnus'] as const
const clusters = { anser: 'north', branta: 'north', cygnus: 'south' } as const
const speeds = { anser: 8, branta: 5.333, cygnus: 3.2 } as const

/** A record of `peer`, `second` seconds after the start. */
export const at = (second: number, peer: string, report: Report): EventRecord => ({
  time: new Date(START_MS + second * 1000).toISOString(),
  peer,
  ...report,
})

export const joined = (second: number, name: string): EventRecord =>
  at(second, name, {
    type: 'joined',
    name,
    id: peerId(`id-${name}`),
    cluster: clusters[name as keyof typeof clusters] ?? 'north',
    replica: name === 'anser',
  })

export const applied = (second: number, version: number, worker: string, by = 'anser'): EventRecord =>
  at(second, by, {
    type: 'applied',
    version,
    term: 1,
    index: 10 + version,
    worker,
    assignment: assignmentId(version),
    staleness: version % 3,
    steps: 10,
    loss: 5 - version / 10,
    speed: speeds[worker as keyof typeof speeds],
  })

export const stepLoss = (second: number, peer: string, step: number): EventRecord =>
  at(second, peer, {
    type: 'step-loss',
    assignment: assignmentId(1),
    version: 0,
    step,
    steps: 30,
    loss: 4.5,
    ms: 125,
  })

export const validated = (second: number, version: number, loss: number): EventRecord =>
  at(second, 'anser', { type: 'validated', version, loss, perplexity: Math.exp(loss) })

/** Of a peer that takes half a batch at once. */
const memory = {
  parameters: 4e6,
  optimizer: 8e6,
  gradient: 4e6,
  activations: 1.5e8,
  runtime: 1e8,
  total: 2.66e8,
  rows: 8,
  microBatch: 4,
  available: 2.13e10,
}

/** The records up to and with version `versions` of 12. */
export function runRecords(versions: number): EventRecord[] {
  return [
    at(0, 'anser', {
      type: 'run-started',
      run: runId('3f2a91c0'.repeat(8)),
      name: 'trio',
      config: runSchema.parse({ stop: { versions: 12 } }),
      parameters: 370_000,
      resumed: false,
    }),
    at(0.5, 'anser', {
      type: 'listening',
      id: peerId('id-anser'),
      addresses: ['/ip4/127.0.0.1/tcp/4001/p2p/id-anser'],
      ticket: 'skein1abc',
    }),
    ...names.map((name) =>
      at(1, name, {
        type: 'engine',
        engine: 'wasm',
        reason: 'the only one',
        threads: 1,
        stepsPerSecond: speeds[name],
        memory,
      }),
    ),
    ...names.map((name) => joined(2, name)),
    at(2, 'anser', {
      type: 'leader',
      term: 1,
      leader: 'anser',
      id: peerId('id-anser'),
      reason: 'founded the run',
    }),
    validated(3, 0, 5.5),
    ...names.map((worker, index) =>
      at(4, 'anser', {
        type: 'assigned',
        assignment: assignmentId(index),
        worker,
        version: 0,
        steps: [30, 20, 12][index],
        shard: index,
        position: 0,
        speed: speeds[worker],
        maxSpeed: 8,
        learningRate: 0.001,
        window: 0,
      }),
    ),
    ...names.map((name) => stepLoss(5, name, 3)),
    ...Array.from({ length: versions }, (_, index) => applied(10 + index, index + 1, names[index % 3])),
    ...(versions >= 6 ? [validated(16, 6, 3.25)] : []),
    ...names.map((name) =>
      at(10 + versions, name, {
        type: 'status',
        phase: 'training',
        version: versions,
        step: 7,
        steps: 12,
        speed: speeds[name],
        bytesSent: 1_234_567,
        bytesReceived: 9_876,
      }),
    ),
  ]
}

/** The records with which a run of 12 versions ends. */
export function endRecords(): EventRecord[] {
  return [
    validated(22, 12, 2.5),
    at(22, 'anser', {
      type: 'sample',
      version: 12,
      prompt: 'Once ',
      text: 'upon a time\nthere was\u001b[31m a goose.',
    }),
    at(22, 'anser', { type: 'checkpoint', version: 12, path: 'runs/trio/checkpoints/12.safetensors' }),
    ...names.map((name) =>
      at(23, name, {
        type: 'peer-finished',
        steps: 40,
        utilisation: 0.95,
        emulated: name === 'anser' ? 0 : 0.4,
        eventLoopP99Ms: 12.34,
        bytesSent: { control: 1000, gossip: 2_000_000 },
        bytesReceived: { bulk: 3000 },
        interClusterBytes: 500_000,
      }),
    ),
    at(23, 'anser', {
      type: 'run-finished',
      reason: '12 versions applied',
      versions: 12,
      steps: 120,
      tokens: 61_440,
      lossBefore: 5.5,
      loss: 2.5,
      perplexity: Math.exp(2.5),
      seconds: 83,
      meanStaleness: 1,
      maxStaleness: 2,
      utilisation: { anser: 0.95, branta: 0.95, cygnus: 0.95 },
      bytes: { control: 3000, gossip: 6_000_000 },
      interClusterBytes: 1_500_000,
    }),
  ]
}

export const digest = (second: number, peer: string, version: number): EventRecord =>
  at(second, peer, { type: 'digest', version, digest: hash('d'), stateDigest: null })

export const stateAfter = (records: readonly EventRecord[], from: SwarmState = unseenSwarm()): SwarmState =>
  records.reduce(afterRecord, from)
