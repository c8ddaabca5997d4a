// `skein doctor` on real networks: what it says behind routers.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Check } from '../../../src/cli/doctor-verdicts.js'
import { peerId } from '../../../src/core/ids.js'
import { genesisText } from '../../../src/swarmfile/genesis.js'
import { realMain } from '../../cli/processes.js'
import { genesisOf } from '../../node/doctors.js'
import type { Host } from './bed.js'
import { MeshPeer } from './mesh-peer.js'
import { onBed, ownFolder } from './on-bed.js'
import type { NatKind } from './tools.js'

const somebody = '12D3KooWATcTB9VkZi8x498PiRVc5QruTwWCYxSwgywqBgNaguj7'

describe('skein doctor', () => {
  const bed = onBed()
  const folder = ownFolder()

  it('behind a router that keeps ports finds a member behind another through a relay, and then directly', async () => {
    const checks = await examinedBehind('preserving')
    assert.match(told(checks, 'relay'), /^pass .*answers after \d+ ms and keeps a place/)
    assert.match(told(checks, 'address'), /^pass .*\(relayed\) answers after/)
    assert.match(
      told(checks, 'nat'),
      /^pass a router that keeps ports: port \d+ here is seen as 45\.0\.0\.2:/,
    )
    assert.match(told(checks, 'path'), /^pass punched/)
    assert.match(told(checks, 'speed'), /^pass there and back in/)
  })

  it('behind a symmetric router says that it is one, and that the relay is the way', async () => {
    const checks = await examinedBehind('symmetric')
    assert.match(told(checks, 'nat'), /^warn a router that changes ports/)
    assert.match(told(checks, 'path'), /^warn relayed, .*; no direct connection:/)
    assert.match(told(checks, 'speed'), /^pass there and back in/)
  })

  /** A member behind one router, and the examination behind another: both know of one relay. */
  async function examinedBehind(kind: NatKind) {
    bed().network('wan', '45.0.0')
    const hub = bed().host('relay', 'wan', 10)
    const relay = await MeshPeer.startRelay(bed(), hub, 100e6)
    const relays = [relay.addressOn(hub)]
    const reach = { relays, relayBytesPerSecond: null, upnp: false }
    const [one, two] = [home(1, kind), home(2, kind)]
    const member = await MeshPeer.start(bed(), one, {
      reach,
      genesis: genesisText(genesisOf(peerId(somebody))),
    })
    const address = `${relays[0]}/p2p-circuit/p2p/${member.self}`
    const args = ['doctor', address, '--out', folder(), '--engine', 'wasm', '--json']
    const child = bed().start(two, process.execPath, [realMain, ...args])
    let stdout = ''
    child.stdout?.on('data', (text) => {
      stdout += text
    })
    await once(child, 'close')
    const { checks } = JSON.parse(stdout) as { readonly checks: readonly Check[] }
    return checks
  }

  function home(number: number, kind: NatKind): Host {
    bed().network(`home${number}`, `192.168.${number}`)
    bed().nat(`nat${number}`, kind, `home${number}`, 'wan', number)
    return bed().host(`peer${number}`, `home${number}`, 7)
  }
})

function told(checks: readonly Check[], name: string): string {
  const one = checks.find((check) => check.name === name) ?? assert.fail(`there is no check ${name}`)
  return `${one.ok} ${one.what}`
}
