// Hello: who may come in, and what the others are told.
import assert from 'node:assert/strict'
import { CONTROL_PROTOCOL } from '../../src/network/direct/control.js'
import { HELLO_PROTOCOL } from '../../src/network/direct/hello.js'
import type { Hello } from '../../src/ports/mesh.js'
import { seal } from '../../src/wire/envelope.js'
import { join, OTHER_RUN, RUN, startPeer } from './peers.js'
import { closeAll, framed, startRaw } from './raw.js'

describe('Hello', () => {
  afterEach(closeAll)

  it('is answered with the genesis and the leader, by peers that are in a run, to peers that are in none', async () => {
    const asked: Hello[] = []
    const host = await startPeer({
      hello: (_from, hello) => {
        asked.push(hello)
        return {
          accepted: true,
          genesis: '{"seed":1}',
          leader: null,
          leaderAddresses: ['/ip4/1.2.3.4/tcp/5'],
        }
      },
    })
    const guest = await startPeer({ run: null })
    await join(guest, host)
    const hello = { run: null, config: '{"name":"trio"}', name: 'bee' }
    assert.deepEqual(await guest.mesh.hello(host.mesh.self, hello), {
      accepted: true,
      genesis: '{"seed":1}',
      leader: null,
      leaderAddresses: ['/ip4/1.2.3.4/tcp/5'],
    })
    assert.deepEqual(asked, [hello])
  })

  it('tells a peer of another run what differs, and both part for good', async () => {
    const reason = 'It is run aaaa, you are in run bbbb: the seeds differ.'
    const host = await startPeer({ hello: () => ({ accepted: false, reason, later: false }) })
    const guest = await startPeer({ run: OTHER_RUN })
    await join(guest, host)
    const answer = await guest.mesh.hello(host.mesh.self, { run: OTHER_RUN, config: null, name: 'bee' })
    assert.deepEqual(answer, { accepted: false, reason, later: false })
    await guest.heard('disconnected')
    const refused = await host.heard('refused')
    assert.deepEqual([refused.from, refused.thing, refused.reason], [guest.mesh.self, 'hello', reason])
    await host.heard('disconnected')
  })

  it('keeps the connection to a peer that says to ask later', async () => {
    let ready = false
    const host = await startPeer({
      hello: () =>
        ready
          ? { accepted: true, genesis: '{}', leader: null, leaderAddresses: [] }
          : { accepted: false, reason: 'not in a run yet', later: true },
    })
    const guest = await startPeer({ run: null })
    await join(guest, host)
    const hello = { run: null, config: null, name: 'bee' }
    assert.equal((await guest.mesh.hello(host.mesh.self, hello)).accepted, false)
    ready = true
    assert.equal((await guest.mesh.hello(host.mesh.self, hello)).accepted, true)
  })

  it('lets a peer that was refused come again after it has changed its mind', async () => {
    const host = await startPeer({
      hello: (_from, { run }) =>
        run === RUN
          ? { accepted: true, genesis: '{}', leader: null, leaderAddresses: [] }
          : { accepted: false, reason: 'another run', later: false },
    })
    const guest = await startPeer({ run: null })
    await join(guest, host)
    await guest.mesh.hello(host.mesh.self, { run: OTHER_RUN, config: null, name: 'bee' })
    await guest.heard('disconnected')
    await guest.mesh.dial(host.mesh.addresses()[0])
    assert.equal(
      (await guest.mesh.hello(host.mesh.self, { run: RUN, config: null, name: 'bee' })).accepted,
      true,
    )
  })

  it('that is malformed is dropped, and the sender named', async () => {
    const host = await startPeer()
    const raw = await startRaw()
    const stream = await raw.open(host, HELLO_PROTOCOL)
    stream.send(framed(Uint8Array.of(0xc1, 1, 2, 3)))
    const refused = await host.heard('refused')
    assert.deepEqual([refused.from, refused.thing], [raw.id, 'hello'])
    assert.match(refused.reason, /not msgpack|expected/i)
  })

  it('fails with a reason where nobody is connected', async () => {
    const peer = await startPeer()
    const other = await startPeer()
    await assert.rejects(
      peer.mesh.hello(other.mesh.self, { run: RUN, config: null, name: 'bee' }),
      /it is not connected/,
    )
  })
})

describe('A message of another run', () => {
  afterEach(closeAll)

  it('is dropped, saying which run it is of', async () => {
    const peer = await startPeer()
    const stranger = await startPeer({ run: OTHER_RUN })
    await join(stranger, peer)
    stranger.mesh.send(peer.mesh.self, { type: 'leave', reason: 'x' })
    const refused = await peer.heard('refused')
    assert.deepEqual([refused.from, refused.reason], [stranger.mesh.self, `run ${OTHER_RUN}, ours is ${RUN}`])
    assert.equal(peer.told.filter(({ what }) => what === 'message').length, 0)
  })

  it('is dropped by a peer that is in no run yet', async () => {
    const peer = await startPeer({ run: null })
    const raw = await startRaw()
    const stream = await raw.open(peer, CONTROL_PROTOCOL)
    stream.send(framed(seal(RUN, { type: 'leave', reason: 'x' })))
    assert.match((await peer.heard('refused')).reason, /before this peer has entered a run/)
  })
})
