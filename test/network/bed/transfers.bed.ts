// Bulk transfers whose donor, or receiver, is killed in the midst of them.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { contentName } from '../../../src/platform/content-name.js'
import type { Bed, Host } from './bed.js'
import { bulkBytes } from './bulk-bytes.js'
import { MeshPeer } from './mesh-peer.js'
import { onBed, ownFolder } from './on-bed.js'

/** Of every donor: sixteen megabytes take some seconds. */
const DONOR_MBIT = 20
const bulk = bulkBytes()

describe('A transfer over a network', () => {
  const bed = onBed()
  const folder = ownFolder()

  it('from three donors, one of which is killed in its midst, is completed by the others', async () => {
    const [taker, ...donors] = await onOneNetwork(bed(), 3)
    taker.order({ do: 'fetch', from: donors.map(({ self }) => self) })
    await taker.heard(
      'progress',
      ({ bytes, donors }) => (bytes as number) > bulk.byteLength / 4 && donors === 3,
    )
    await donors[1].kill()
    const since = taker.told.length
    const { content, bytes, received, ms } = await taker.heard('fetched')
    assert.equal(content, contentName(bulk))
    assert.equal(bytes, bulk.byteLength)
    const fellBack = taker.told.slice(since).filter(({ what }) => what === 'progress')
    assert(
      fellBack.some(({ donors }) => donors === 2),
      'it went on from two',
    )
    // What the killed one had half sent comes from another once more: of each donor four chunks are on their way at most.
    assert((received as number) < 1.15 * bulk.byteLength, `${received} bytes for ${bulk.byteLength}`)
    console.log(
      `      16 MiB in ${Math.round(ms as number)} ms, ${((received as number) / bulk.byteLength).toFixed(3)} times its bytes`,
    )
  })

  it('whose receiver is killed in its midst goes on where it was once that is back', async () => {
    const [first, donor] = await onOneNetwork(bed(), 1, { partial: folder() })
    first.order({ do: 'fetch', from: [donor.self] })
    const { bytes: had } = await first.heard(
      'progress',
      ({ bytes }) => (bytes as number) > bulk.byteLength / 2,
    )
    await first.kill()
    assert.equal(readdirSync(folder()).length, 1)
    const again = await MeshPeer.start(bed(), first.host, { mdns: true, partial: folder() })
    await again.reaches(donor, 'lan')
    again.order({ do: 'fetch', from: [donor.self] })
    const { content, received } = await again.heard('fetched')
    assert.equal(content, contentName(bulk))
    const missing = bulk.byteLength - (had as number)
    assert((received as number) < 1.05 * missing, `${received} bytes came again, and ${missing} were missing`)
    assert.deepEqual(readdirSync(folder()), [])
    console.log(`      ${received} bytes came for the ${missing} that were missing`)
  })
})

/** A receiver, and donors that it reaches. */
async function onOneNetwork(
  bed: Bed,
  count: number,
  options: { readonly partial?: string } = {},
): Promise<readonly MeshPeer[]> {
  bed.network('lan', '192.168.5')
  const hosts = Array.from({ length: count + 1 }, (_, i): Host => bed.host(`h${i}`, 'lan', i + 2))
  for (const host of hosts.slice(1)) bed.rate(host, DONOR_MBIT)
  const peers = await Promise.all(
    hosts.map((host, i) => MeshPeer.start(bed, host, { mdns: true, ...(i === 0 ? options : {}) })),
  )
  for (const donor of peers.slice(1)) await peers[0].reaches(donor, 'lan')
  return peers
}
