// Ending: promptly, with what was queued sent, and without an error that nobody catches.
import assert from 'node:assert/strict'
import { contributionOf, gossips, join, numbered, payloadOf, startPeer } from './peers.js'
import { closeAll } from './raw.js'

const gradients = { kind: 'gradients', cluster: 'here' } as const

describe('Closing', () => {
  const uncaught: unknown[] = []
  const note = (error: unknown) => uncaught.push(error)
  let listeners: NodeJS.UncaughtExceptionListener[] = []
  before(() => {
    listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', note)
    process.on('unhandledRejection', note)
  })
  after(() => {
    process.off('uncaughtException', note)
    process.off('unhandledRejection', note)
    for (const listener of listeners) process.on('uncaughtException', listener)
  })
  afterEach(closeAll)

  it('sends what is queued first', async () => {
    const [a, b] = await Promise.all([startPeer(), startPeer()])
    await join(a, b)
    for (let from = 0; from < 200; from++) a.mesh.send(b.mesh.self, numbered(from))
    a.mesh.send(b.mesh.self, { type: 'leave', reason: 'done' })
    await a.mesh.close()
    await b.heard('message', ({ message }) => message.type === 'leave')
    await b.heard('disconnected')
  })

  it('with transfers and gossip under way both ways leaves no uncaught error, whoever closes first', async () => {
    for (const closer of [0, 1]) {
      const peers = await Promise.all([startPeer(), startPeer()])
      const [a, b] = peers
      await join(a, b)
      const bytes = payloadOf(64 * 2 ** 20)
      const payload = payloadOf(16 * 2 ** 20)
      for (const peer of peers) {
        peer.mesh.subscribe(gradients)
        peer.mesh.serve(() => bytes)
      }
      await gossips(a, gradients, [b])
      const ended = Promise.allSettled([
        a.mesh.fetch({ kind: 'theta', version: 1 }, [b.mesh.self], null),
        b.mesh.fetch({ kind: 'theta', version: 1 }, [a.mesh.self], null),
        a.mesh.publishContribution(gradients, contributionOf(payload), payload),
      ])
      const flowing = () => peers.every(({ mesh }) => mesh.traffic().received.bulk > 2 ** 20)
      while (!flowing()) await new Promise(setImmediate)
      await peers[closer].mesh.close()
      await peers[1 - closer].mesh.close()
      await ended
    }
    assert.deepEqual(uncaught, [])
  })

  it('twice is closing once', async () => {
    const { mesh } = await startPeer()
    await Promise.all([mesh.close(), mesh.close()])
    await mesh.close()
  })
})
