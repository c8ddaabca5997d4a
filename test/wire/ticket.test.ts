// Tickets: written, read, and recognised when a copy went wrong.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { peerId, runId } from '../../src/core/ids.js'
import { UserError } from '../../src/core/user-error.js'
import { fromBase58, toBase58 } from '../../src/wire/base58.js'
import { MAX_CHAIN, peerIdOfKey } from '../../src/wire/certificates.js'
import { isTicket, readTicket, writeTicket } from '../../src/wire/ticket.js'
import { record, runs } from './samples.js'

const ticket = {
  run: runId('ab'.repeat(32)),
  name: 'trio',
  addresses: ['/ip4/192.168.1.5/tcp/4001/p2p/12D3KooWGRUyYqJuKZbGYnVAGNvKYcWv6ATVK8fmCm3V4mT1mWcL'],
  invitation: null,
}
const keys = fc.uint8Array({ minLength: 32, maxLength: 32 })
const certificates = record({
  holder: keys.map(peerIdOfKey),
  kind: fc.constantFrom('member' as const, 'invitation' as const),
  expires: fc.option(fc.nat()),
  through: fc.option(record({ invitation: keys.map(peerIdOfKey), by: keys.map(peerIdOfKey) })),
  signature: fc.uint8Array({ minLength: 64, maxLength: 64 }),
})
const tickets = record({
  run: runs,
  name: fc.string({ minLength: 1, maxLength: 32 }),
  addresses: fc.array(
    fc.string({ maxLength: 100 }).map((rest) => `/${rest}`),
    { minLength: 0, maxLength: 5 },
  ),
  invitation: fc.option(record({ seed: keys, chain: fc.array(certificates, { maxLength: MAX_CHAIN }) })),
})

const isUserError = (pattern: RegExp) => (error: unknown) =>
  error instanceof UserError && error.kind === 'usage' && pattern.test(error.message)

describe('A ticket', () => {
  it('says the same when read as when written', () => {
    fc.assert(fc.property(tickets, (written) => assert.deepEqual(readTicket(writeTicket(written)), written)))
  })

  it('is one word of letters and digits', () => {
    assert.match(writeTicket(ticket), /^skein1[1-9A-HJ-NP-Za-km-z]+$/)
    assert(isTicket(writeTicket(ticket)))
    assert(!isTicket(ticket.addresses[0]))
  })

  it('survives being wrapped and surrounded by white space', () => {
    const text = writeTicket(ticket)
    assert.deepEqual(readTicket(`  ${text.slice(0, 40)}\r\n   ${text.slice(40)}\n`), ticket)
  })

  it('survives what mail programs make of it', () => {
    const text = writeTicket(ticket)
    const copy = `> "${text.slice(0, 40)}\u200b\r\n> ${text.slice(40)}"\n`
    assert(isTicket(copy))
    assert.deepEqual(readTicket(copy), ticket)
  })

  it('is short: below 1,000 characters with three addresses, one of them relayed, and two members in its chain', () => {
    const peer = '12D3KooWGRUyYqJuKZbGYnVAGNvKYcWv6ATVK8fmCm3V4mT1mWcL'
    const addresses = [
      `/ip4/203.0.113.255/tcp/40001/p2p/${peer}`,
      `/ip4/192.168.111.115/tcp/40001/p2p/${peer}`,
      `/ip4/198.51.100.200/tcp/4001/p2p/${peer}/p2p-circuit/p2p/${peer}`,
    ]
    const [holder, seed] = [peerId(peer), new Uint8Array(32).fill(255)]
    const member = {
      holder,
      kind: 'member',
      expires: null,
      through: { invitation: holder, by: holder },
    } as const
    const signature = new Uint8Array(64).fill(255)
    const chain = [
      { ...member, signature },
      { ...member, kind: 'invitation', expires: 2e12, through: null, signature } as const,
    ]
    const written = { ...ticket, addresses, invitation: { seed, chain } }
    const text = writeTicket(written)
    assert(text.length < 1000, `${text.length} characters`)
    assert.deepEqual(readTicket(text), written)
  })

  it('is refused with a reason when a character is changed, swapped, missing or added', () => {
    const text = writeTicket(ticket)
    fc.assert(
      fc.property(
        fc.nat({ max: text.length - 8 }),
        fc.constantFrom('change', 'swap', 'drop', 'add', 'double'),
        (nth, damage) => {
          const at = 6 + nth
          const other = text[at] === 'x' ? 'y' : 'x'
          const copy = {
            change: text.slice(0, at) + other + text.slice(at + 1),
            swap: text.slice(0, at) + text[at + 1] + text[at] + text.slice(at + 2),
            drop: text.slice(0, at) + text.slice(at + 1),
            double: text.slice(0, at) + text[at] + text.slice(at),
            add: text.slice(0, at) + other + text.slice(at),
          }[damage] as string
          fc.pre(copy !== text)
          assert.throws(() => readTicket(copy), isUserError(/^the ticket cannot be read: /))
        },
      ),
    )
  })

  it('is refused when cut short or when it is something else', () => {
    assert.throws(() => readTicket(writeTicket(ticket).slice(0, 60)), isUserError(/checksum is wrong/))
    assert.throws(() => readTicket('skein1'), isUserError(/cut short/))
    assert.throws(() => readTicket('skein10OIl'), isUserError(/it holds "0", a character that no ticket has/))
    assert.throws(() => readTicket(ticket.addresses[0]), isUserError(/does not start with "skein1"/))
    assert.throws(() => readTicket(`skein1${'z'.repeat(20000)}`), isUserError(/no ticket is/))
  })
})

describe('Base 58', () => {
  it('gives bytes back, leading zeros included', () => {
    fc.assert(
      fc.property(fc.nat({ max: 4 }), fc.uint8Array({ maxLength: 80 }), (zeros, tail) => {
        const bytes = Uint8Array.from([...new Array<number>(zeros).fill(0), ...tail])
        assert.deepEqual(fromBase58(toBase58(bytes)), bytes)
      }),
    )
  })

  it('writes the known example', () => {
    assert.equal(toBase58(new TextEncoder().encode('Hello World!')), '2NEpo7TZRRrLZSi2U')
  })
})
