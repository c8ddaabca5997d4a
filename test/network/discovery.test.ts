// How peers find each other, stay together, and what a busy port or a wrong address says.
import assert from 'node:assert/strict'
import { UserError } from '../../src/core/user-error.js'
import { generateIdentity } from '../../src/network/identity.js'
import { multicastWorks } from './multicast.js'
import { join, numbered, startPeer } from './peers.js'
import { closeAll } from './raw.js'

const isNetworkError = (pattern: RegExp) => (error: unknown) => {
  assert(error instanceof UserError, String(error))
  assert.match(error.message, pattern)
  assert(error.remedy.length > 0)
  return true
}

describe('Peers', () => {
  afterEach(closeAll)

  it('on one machine that listen on loopback alone find each other by mDNS', async function () {
    if (!(await multicastWorks())) this.skip()
    const [a, b] = await Promise.all([startPeer({ mdns: true }), startPeer({ mdns: true })])
    await Promise.all([
      a.heard('connected', ({ peer }) => peer === b.mesh.self),
      b.heard('connected', ({ peer }) => peer === a.mesh.self),
    ])
  })

  it('call a bootstrap address until somebody answers there', async () => {
    const hostKey = await generateIdentity()
    const first = await startPeer({ privateKey: hostKey })
    const address = first.mesh.addresses()[0]
    await first.mesh.close()
    const guest = await startPeer({ bootstrap: [address] })
    const host = await startPeer({ privateKey: hostKey, listen: [address.replace(/\/p2p\/.*/, '')] })
    await guest.heard('connected', ({ peer }) => peer === host.mesh.self)
  })

  it('call a bootstrap address that names no peer', async () => {
    const host = await startPeer()
    const guest = await startPeer({ bootstrap: [host.mesh.addresses()[0].replace(/\/p2p\/.*/, '')] })
    await guest.heard('connected', ({ peer }) => peer === host.mesh.self)
  })

  it('come back together when one restarts with the same key, and speak again', async () => {
    const privateKey = await generateIdentity()
    const before = await startPeer({ privateKey })
    const listen = [before.mesh.addresses()[0].replace(/\/p2p\/.*/, '')]
    const other = await startPeer()
    await join(other, before)
    await before.mesh.close()
    await other.heard('disconnected')
    const after = await startPeer({ privateKey, listen })
    assert.equal(after.mesh.self, before.mesh.self)
    await other.heardTimes('connected', 2)
    await after.heard('connected')
    assert(other.mesh.send(after.mesh.self, { type: 'leave', reason: 'hello again' }))
    await after.heard('message')
    const ledger = { kind: 'ledger' } as const
    after.mesh.subscribe(ledger)
    const heard = after.heard('message', ({ message }) => message.type === 'want-digest')
    const knock = setInterval(() => other.mesh.publish(ledger, numbered(1)), 50)
    await heard
    clearInterval(knock)
  })
})

describe('An address', () => {
  afterEach(closeAll)

  it('that is in use is named, with what to do', async () => {
    const first = await startPeer()
    const taken = first.mesh.addresses()[0].replace(/\/p2p\/.*/, '')
    await assert.rejects(
      startPeer({ listen: [taken] }),
      isNetworkError(new RegExp(`^cannot listen on ${taken}: the port is in use$`)),
    )
  })

  it('that is not of this machine is named', async () => {
    await assert.rejects(
      startPeer({ listen: ['/ip4/192.0.2.1/tcp/0'] }),
      isNetworkError(/^cannot listen on \/ip4\/192\.0\.2\.1\/tcp\/0: /),
    )
  })

  it('at which nobody answers is named, with why', async () => {
    const [peer, gone] = await Promise.all([startPeer(), startPeer()])
    const address = gone.mesh.addresses()[0]
    await gone.mesh.close()
    await assert.rejects(
      peer.mesh.dial(address),
      isNetworkError(new RegExp(`^cannot reach ${address}: .*ECONNREFUSED`)),
    )
  })

  it('that is none is refused as such', async () => {
    const peer = await startPeer()
    await assert.rejects(
      peer.mesh.dial('localhost:4001'),
      isNetworkError(/"localhost:4001" is not an address/),
    )
  })
})
