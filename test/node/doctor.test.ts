// Whether a run could be joined: what is found out of it from outside, and what that means.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type Check, checksOf } from '../../src/cli/doctor-verdicts.js'
import { HELLO_PROTOCOL } from '../../src/network/direct/hello.js'
import type { Fact } from '../../src/node/doctor/facts.js'
import { examineSwarm, type SwarmRequest } from '../../src/node/doctor/swarm.js'
import { genesisText } from '../../src/swarmfile/genesis.js'
import { encode } from '../../src/wire/codec.js'
import { PROTOCOL_VERSION } from '../../src/wire/envelope.js'
import { readTicket } from '../../src/wire/ticket.js'
import { closeAll, framed, startRaw } from '../network/raw.js'
import { genesisOf, hosting } from './doctors.js'

const hour = 3_600_000

async function examined(request: Partial<SwarmRequest>): Promise<readonly Check[]> {
  const facts: Fact[] = []
  const nothing = { addresses: [], relays: [], run: null, invitation: null, psk: null, log: () => {} }
  await examineSwarm(
    { ...nothing, ...request },
    (fact) => facts.push(fact),
    (_, task) => task(),
  )
  return facts.flatMap(checksOf)
}

const check = (checks: readonly Check[], name: string): Check =>
  checks.find((one) => one.name === name) ?? assert.fail(`there is no check ${name}`)

function fails(checks: readonly Check[], name: string, what: RegExp, remedy: RegExp): void {
  const { ok, what: told, remedy: advised } = check(checks, name)
  assert.equal(ok, 'fail', told)
  assert.match(told, what)
  assert.match(advised ?? '', remedy)
}

describe('An examination of a swarm', () => {
  afterEach(closeAll)

  it('tells of an expired ticket what the member says of it', async () => {
    const { ticket } = await hosting()
    const checks = await examined(readTicket(await ticket(Date.now() - hour)))
    fails(checks, 'admission', /does not let this peer in: the ticket expired on/, /a new ticket/)
    assert.equal(check(checks, 'speed').ok, 'skip')
  })

  it('tells who has only an address that a ticket is needed', async () => {
    const { mesh } = await hosting()
    const checks = await examined({ addresses: mesh.addresses() })
    fails(checks, 'admission', /only peers that have a ticket/, /give a ticket/)
  })

  it('learns the version of a member that lets this peer in, and how it is seen there', async () => {
    const { ticket } = await hosting()
    const checks = await examined(readTicket(await ticket(Date.now() + hour)))
    const { ok, what } = check(checks, 'version')
    assert.equal(`${ok} ${what}`, `pass both sides speak version ${PROTOCOL_VERSION}`)
    assert.match(check(checks, 'nat').what, /sees this peer at \/ip4\/127\.0\.0\.1\//)
  })

  it('names both versions where the member speaks another', async () => {
    const other = PROTOCOL_VERSION + 1
    const raw = await startRaw(`skein/${other}`)
    const genesis = genesisText(genesisOf(raw.id))
    await raw.handle(HELLO_PROTOCOL, async (stream) => {
      stream.send(framed(encode({ accepted: true, genesis, leader: null, leaderAddresses: [] })))
      await stream.close()
    })
    const checks = await examined({ addresses: [raw.address.toString()] })
    fails(checks, 'version', new RegExp(`version ${other}, this program version`), /the same version/)
  })

  it('asks for the key of a private network where a port answers in no known language', async () => {
    // A peer with another key hears noise: it hangs up at once, or waits for more of it.
    const server = createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('noise'),
    ).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const checks = await examined({ addresses: [`/ip4/127.0.0.1/tcp/${port}`] })
    server.close()
    fails(checks, 'key', /a port answers, but not as a peer: it may be of a private network/, /--psk/)
  })

  it('finds that the key of a private network is the right one', async () => {
    const psk = new TextEncoder().encode(
      `/key/swarm/psk/1.0.0/\n/base16/\n${randomBytes(32).toString('hex')}`,
    )
    const { ticket } = await hosting(psk)
    const { ok, what } = check(await examined({ ...readTicket(await ticket(Date.now() + hour)), psk }), 'key')
    assert.match(`${ok} ${what}`, /^pass .* is theirs/)
  })
})
