// Many peers that come at once.
import type { Attempt } from '../../../src/ports/paths.js'
import { closePeers, startPeer, until } from '../peers.js'
import { MeshPeer } from './mesh-peer.js'
import { onBed } from './on-bed.js'

describe('Peers that come at once', () => {
  it('64 in one process, all reach the one whose address they were given', async () => {
    const host = await startPeer()
    const attempts: Attempt[] = []
    const attempted = (attempt: Attempt) => attempts.push(attempt)
    const guests = await Promise.all(
      Array.from({ length: 63 }, () => startPeer({ bootstrap: [host.mesh.addresses()[0]], attempted })),
    )
    await until(() => host.mesh.peers().length === 63)
    await until(() => guests.every((guest) => guest.mesh.peers().includes(host.mesh.self)))
    const failed = attempts.filter(({ outcome }) => outcome === 'failed')
    console.log(`      ${attempts.length} calls, ${failed.length} failed, each called again`)
    await closePeers()
  })
})

describe('Processes that come at once', () => {
  const bed = onBed()

  it('16 on one network, all reach all, and a call that fails is made again', async () => {
    bed().network('lan', '192.168.5')
    const hosts = Array.from({ length: 16 }, (_, i) => bed().host(`h${i}`, 'lan', i + 2))
    const peers = await Promise.all(
      hosts.map((host) => MeshPeer.start(bed(), host, { mdns: true, reach: null })),
    )
    const beganMs = performance.now()
    for (const peer of peers) {
      for (const other of peers) if (other !== peer) await peer.reaches(other, 'lan')
    }
    const failed = peers.flatMap(({ told }) =>
      told.filter(({ what, outcome }) => what === 'attempt' && outcome === 'failed'),
    )
    console.log(
      `      all reach all ${Math.round(performance.now() - beganMs)} ms after the last was up; ${failed.length} calls failed`,
    )
  })
})
