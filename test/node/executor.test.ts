// Effects carried out: what becomes of a publication, of a round whose start is gone, and of what others ask for.
import assert from 'node:assert/strict'
import { assignmentId, hash } from '../../src/core/ids.js'
import type { Report } from '../../src/core/reports.js'
import { Account } from '../../src/node/account.js'
import { Contributions } from '../../src/node/contributions.js'
import { Executor } from '../../src/node/executor.js'
import { OuterStates } from '../../src/node/outer-states.js'
import type { ReplicaDuties } from '../../src/node/replica-duties.js'
import { Rounds } from '../../src/node/rounds.js'
import { type Mesh, NobodyListens } from '../../src/ports/mesh.js'
import type { Trainer } from '../../src/ports/trainer.js'
import { outerOptions } from '../paper/made.js'
import {
  alice,
  bob,
  contributionOf,
  Events,
  exact,
  fakeMesh,
  format,
  MemoryPayloads,
  unexpected,
} from './fakes.js'

const topic = { kind: 'gradients', cluster: 'lake' } as const
const made = contributionOf([3, 4])

/** An executor over a mesh, of a peer that finished a round and holds no version. */
function executorOver(methods: Partial<Mesh>, fragments = 1) {
  const events = new Events()
  const reports: Report[] = []
  const mesh = fakeMesh({ self: alice, ...methods })
  const account = new Account(() => 0)
  const noTrainer = {} as Trainer
  const records = { save: () => Promise.resolve(), settle: () => Promise.resolve() }
  const rounds = new Rounds(noTrainer, records, { compression: exact }, account, events.dispatch, unexpected)
  rounds.restore({ contributions: [{ ...made, residual: null }], residual: null })
  const contributions = new Contributions(mesh, format, new MemoryPayloads(), events.dispatch, unexpected)
  const executor = new Executor({
    mesh,
    states: new OuterStates({ outer: outerOptions({}), compression: exact }),
    contributions,
    rounds,
    duties: {} as ReplicaDuties,
    parameters: 2,
    fragments,
    account,
    checkpoint: () => Promise.resolve(),
    evaluator: () => Promise.resolve(noTrainer),
    validationBatches: 1,
    report: (report) => reports.push(report),
    corpus: { bytes: () => new Uint8Array([1, 2]) },
    shutOut: () => {},
    dispatch: events.dispatch,
  })
  return { executor, events, reports }
}

describe('A contribution that is published', () => {
  const published = { type: 'contribution-published', assignment: made.manifest.assignment }
  const publish = { type: 'publish-contribution', topic, manifest: made.manifest } as const

  it('is told as published only when its last chunk has left', async () => {
    let leave = () => {}
    const { executor, events } = executorOver({
      publishContribution: () => new Promise<void>((resolve) => (leave = resolve)),
    })
    executor.carryOut(publish)
    await new Promise(setImmediate)
    assert.deepEqual(events.all, [])
    leave()
    assert.deepEqual(await events.next('contribution-published'), published)
    assert.equal(await executor.serve({ kind: 'payload', hash: made.manifest.payload }), made.payload)
  })

  it('in vain is told as published too, with a warning unless merely nobody listens', async () => {
    for (const [error, warnings] of [
      [new NobodyListens('gradients'), 0],
      [new Error('the stream was reset'), 1],
    ] as const) {
      const { executor, events, reports } = executorOver({ publishContribution: () => Promise.reject(error) })
      executor.carryOut(publish)
      assert.deepEqual(await events.next('contribution-published'), published)
      assert.equal(reports.filter(({ type }) => type === 'warning').length, warnings, error.message)
    }
  })
})

describe('A round from a version that is gone', () => {
  it('fails with that reason instead of training from another', async () => {
    const { executor, events } = executorOver({})
    const round = { shard: 0, position: 0, steps: 5, deadlineMs: 1, baseDigest: hash('0'.repeat(64)) }
    executor.carryOut({
      type: 'train',
      assignment: { id: assignmentId(9), worker: alice, after: null, base: 7, ...round },
      base: 7,
      without: [],
      codec: 'fp32',
    })
    assert.match((await events.next('training-failed')).reason, /version 7 is not held/)
  })
})

describe('A version that is fetched', () => {
  /** What the network is told to be at hand, of two versions that are fetched one after the other. */
  async function atHand(fragments: number): Promise<unknown[]> {
    const hands: unknown[] = []
    const fetch: Mesh['fetch'] = (_name, _donors, _expected, options) => {
      hands.push(options?.like === undefined ? null : [...options.like])
      return Promise.resolve(Uint8Array.of(0, 0, 128, 63, 0, 0, 0, 64))
    }
    const { executor, events } = executorOver({ fetch }, fragments)
    for (const version of [3, 5]) {
      executor.carryOut({ type: 'fetch-theta', version, digest: hash('0'.repeat(64)), donors: [bob] })
      await events.next('theta-ready')
    }
    return hands
  }

  it('takes what it has in common with the one before from that, where it was sent in fragments', async () => {
    assert.deepEqual(await atHand(2), [null, [0, 0, 128, 63, 0, 0, 0, 64]])
    assert.deepEqual(await atHand(1), [null, null])
  })
})

describe('A message', () => {
  const message = { type: 'leave', reason: 'enough' } as const

  it('to the peer itself is an event, to another goes over the network', () => {
    const sent: unknown[] = []
    const { executor, events } = executorOver({ send: (to) => sent.push(to) > 0 })
    executor.send(alice, message)
    executor.send(bob, message)
    assert.deepEqual(events.all, [{ type: 'message', from: alice, message }])
    assert.deepEqual(sent, [bob])
  })
})

describe('A failure with a long story', () => {
  it('is told in words that fit into an entry of the ledger', async () => {
    const { executor, events } = executorOver({ fetch: () => Promise.reject(new Error('x'.repeat(5_000))) })
    executor.carryOut({ type: 'fetch-theta', version: 3, digest: hash('0'.repeat(64)), donors: [bob] })
    assert.ok((await events.next('theta-failed')).reason.length < 1_100)
  })
})
