// A router that takes requests by UPnP, as those at home do: Debian's miniupnpd on the test bed.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Check } from '../../../src/cli/doctor-verdicts.js'
import { realMain } from '../../cli/processes.js'
import type { Bed, Host } from './bed.js'
import { MeshPeer } from './mesh-peer.js'
import { onBed, ownFolder } from './on-bed.js'
import { run } from './tools.js'

const INSIDE = '192.168.1'
const UPNP = { relays: [], relayBytesPerSecond: null, upnp: true }

/** Where the daemon puts the ports that it forwards. */
const chains = `
  table inet upnp {
    chain forward { type filter hook forward priority 0; policy accept; jump allowed; }
    chain prerouting { type nat hook prerouting priority -100; policy accept; jump forwarded; }
    chain postrouting { type nat hook postrouting priority 99; policy accept; jump returned; }
    chain allowed { }
    chain forwarded { }
    chain returned { }
  }`

/** Has a router take requests from its network inside. */
function takeRequests(bed: Bed, router: Host, folder: string): void {
  run('ip', ['netns', 'exec', router.space, 'nft', '-f', '-'], chains)
  const settings = {
    ext_ifname: router.port,
    listening_ip: `${INSIDE}.1/24`,
    upnp_table_name: 'upnp',
    upnp_nat_table_name: 'upnp',
    upnp_forward_chain: 'allowed',
    upnp_nat_chain: 'forwarded',
    upnp_nat_postrouting_chain: 'returned',
    ipv6_disable: 'yes',
    secure_mode: 'yes',
    uuid: 'b16afaff-19a9-4a68-a47a-3bd430d2a793',
  }
  const file = join(folder, 'miniupnpd.conf')
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
  writeFileSync(file, `${[...lines, `allow 1024-65535 ${INSIDE}.0/24 1024-65535`].join('\n')}\n`)
  const daemon = bed.start(router, 'miniupnpd', ['-d', '-f', file, '-P', join(folder, 'pid')])
  daemon.stdout?.resume()
  daemon.stderr?.resume()
}

describe('A peer behind a router that takes requests by UPnP', () => {
  const bed = onBed()
  const folder = ownFolder()
  before(function () {
    if (spawnSync('miniupnpd', ['--version']).error === undefined) return
    console.log('    skipped: miniupnpd is not installed (Debian package miniupnpd-nftables)')
    this.skip()
  })

  it('tells its public address, and is called there from outside', async () => {
    bed().network('wan', '45.0.0')
    bed().network('home', INSIDE)
    const router = bed().nat('router', 'preserving', 'home', 'wan', 2)
    takeRequests(bed(), router, folder())
    const home = bed().host('peer', 'home', 7)
    assert.match(
      await upnpCheck(bed(), home, folder()),
      /^pass the router at 192\.168\.1\.1 forwards ports by UPnP; outside it is 45\.0\.0\.2/,
    )
    const peer = await MeshPeer.start(bed(), home, { reach: UPNP })
    const told = await publicAddress(peer, router.address)
    assert.match(told, /^\/ip4\/45\.0\.0\.2\/tcp\/\d+\/p2p\//)
    const caller = await MeshPeer.start(bed(), bed().host('caller', 'wan', 9), { bootstrap: [told] })
    const path = await caller.reaches(peer, 'direct')
    assert.equal(path.address, told)
  })
})

/** What `skein doctor` says of the router, on a host. */
async function upnpCheck(bed: Bed, host: Host, folder: string): Promise<string> {
  const child = bed.start(host, process.execPath, [
    realMain,
    'doctor',
    '--upnp',
    '--out',
    folder,
    '--engine',
    'wasm',
    '--json',
  ])
  const { checks } = JSON.parse(await text(child.stdout as Readable)) as { readonly checks: readonly Check[] }
  const check = checks.find(({ name }) => name === 'upnp')
  return `${check?.ok} ${check?.what}`
}

/** Asks once in a while where a peer is reached, until that is an address of the router. */
async function publicAddress(peer: MeshPeer, ip: string): Promise<string> {
  for (;;) {
    const { addresses } = await peer.look()
    const found = addresses.find((address) => address.startsWith(`/ip4/${ip}/`))
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
