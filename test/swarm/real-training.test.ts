// The real model in a simulated swarm: virtual time stands still while an engine computes real gradients.
import assert from 'node:assert/strict'
import { openTrainer } from '../../src/engine/thread-trainer.js'
import type { Trainer } from '../../src/ports/trainer.js'
import { RealTask } from '../../src/simulate/real-task.js'
import { tinySetup } from '../engine/setup.js'
import { outcomes, simulate } from './swarms.js'

describe('A simulated swarm that trains the real model', () => {
  let trainer: Trainer
  let task: RealTask
  before(async () => {
    trainer = await openTrainer(tinySetup(), (message) => assert.fail(message))
    task = await RealTask.open(trainer, 2)
  })
  after(() => trainer.close())

  const changes = {
    localSteps: 4,
    data: { shards: 2 },
    outer: { learningRate: 0.7, bufferSize: 3 },
    validation: { everyVersions: 3 },
    stop: { versions: 6 },
  }

  it('makes versions of real pseudo-gradients, the same on every replica, and its loss falls', async () => {
    const swarm = await simulate({ task, changes }).startAll().runAwaiting(60_000)
    assert.deepEqual(outcomes(swarm), { alice: 'finished', bob: 'finished', carol: 'finished' })
    const [{ versions, loss, lossBefore }] = swarm.of('run-finished')
    assert.equal(versions, 6)
    assert.ok(loss !== null && lossBefore !== null && loss < lossBefore, `${lossBefore} -> ${loss}`)
    assert.equal(swarm.of('digest').filter(({ version }) => version === 6).length, 3)
  })

  it('says what to do when it is run without waiting for the engine', async () => {
    const swarm = simulate({ task, changes }).startAll()
    assert.throws(() => swarm.run(60_000), /run it with `runAwaiting`/)
    await swarm.clock.settled()
  })
})
