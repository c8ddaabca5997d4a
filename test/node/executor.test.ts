// Effects carried out: what becomes of an outer step, a publication, a round whose start is gone.
import assert from 'node:assert/strict'
import type { ApplyEntry } from '../../src/core/entries.js'
import { assignmentId, type Hash, hash } from '../../src/core/ids.js'
import { emptyLedger } from '../../src/core/ledger.js'
import type { Report } from '../../src/core/reports.js'
import { Account } from '../../src/node/account.js'
import { Contributions } from '../../src/node/contributions.js'
import { Executor } from '../../src/node/executor.js'
import { OuterStates } from '../../src/node/outer-states.js'
import { Rounds } from '../../src/node/rounds.js'
import { type Mesh, NobodyListens } from '../../src/ports/mesh.js'
import type { Trainer } from '../../src/ports/trainer.js'
import { outerOptions } from '../paper/made.js'
import { alice, contributionOf, Events, fakeMesh, unexpected } from './fakes.js'

const theta = Float32Array.of(1, 2)
const topic = { kind: 'gradients', cluster: 'lake' } as const
const made = contributionOf([3, 4])

/** An executor over a mesh, at version 0 of a run of two parameters. */
function executorOver(methods: Partial<Mesh>, learningRate = 0.5) {
  const events = new Events()
  const reports: Report[] = []
  const mesh = fakeMesh({ self: alice, ...methods })
  const account = new Account(() => 0)
  const states = new OuterStates(outerOptions({ learningRate, bufferSize: 1 }))
  states.found(theta, emptyLedger([100]))
  const noTrainer = {} as Trainer
  const records = { save: () => Promise.resolve(), settle: () => Promise.resolve() }
  const rounds = new Rounds(noTrainer, records, account, events.dispatch, unexpected)
  rounds.restore(made.manifest, made.payload)
  const contributions = new Contributions(mesh, 2, null, events.dispatch, unexpected)
  const executor = new Executor({
    mesh,
    states,
    contributions,
    rounds,
    account,
    append: () => Promise.resolve(),
    checkpoint: () => Promise.resolve(),
    evaluator: () => Promise.resolve(noTrainer),
    validationBatches: 1,
    report: (report) => reports.push(report),
    dispatch: events.dispatch,
    fail: unexpected,
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
    assert.equal(executor.serve({ kind: 'payload', hash: made.manifest.payload }), made.payload)
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

describe('An outer step that fails', () => {
  const entry: ApplyEntry = {
    kind: 'apply',
    assignment: made.manifest.assignment,
    worker: alice,
    payload: made.manifest.payload,
    staleness: 0,
    weight: 1,
    steps: 5,
    speed: 1,
    loss: 1,
  }
  const ledger = { ...emptyLedger([100]), version: 1 }
  const stepWith = (payload: Hash) =>
    ({ type: 'apply-outer', entry: { ...entry, payload }, ledger, version: 1, donors: [] }) as const

  it('for good is told apart from one whose payload may still be had', async () => {
    const fetch = () => Promise.reject(new Error('nobody holds it'))
    const { executor, events } = executorOver({ fetch }, 3e38)
    executor.carryOut(stepWith(hash('f'.repeat(64))))
    assert.equal((await events.next('outer-failed')).lasting, false)
    const broken = executorOver({ fetch: () => Promise.resolve(made.payload) }, 3e38)
    broken.executor.carryOut(stepWith(made.manifest.payload))
    const { lasting, reason } = await broken.events.next('outer-failed')
    assert.equal(lasting, true)
    assert.match(reason, /theta would be -Infinity at parameter 0/)
  })
})

describe('A round from a version that is gone', () => {
  it('fails with that reason instead of training from another', async () => {
    const { executor, events } = executorOver({})
    const round = { shard: 0, position: 0, steps: 5, deadlineMs: 1, baseDigest: hash('0'.repeat(64)) }
    executor.carryOut({
      type: 'train',
      assignment: { id: assignmentId(9), worker: alice, base: 7, ...round },
    })
    assert.match((await events.next('training-failed')).reason, /version 7 is not held/)
  })
})
