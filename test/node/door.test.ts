// The door of a run: who is let in, what each of the others is told, and what an outsider can see.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Connection } from '@libp2p/interface'
import { type PeerId, type RunId, runId } from '../../src/core/ids.js'
import { HELLO_PROTOCOL } from '../../src/network/direct/hello.js'
import { DOOR_PROTOCOL } from '../../src/network/door/doorkeeper.js'
import { keyPairOfIdentity } from '../../src/network/door/signatures.js'
import { generateIdentity } from '../../src/network/identity.js'
import { invite, Membership } from '../../src/node/membership.js'
import { sha256 } from '../../src/platform/sha256.js'
import { type Genesis, runIdOf } from '../../src/swarmfile/genesis.js'
import { runSchema } from '../../src/swarmfile/schema.js'
import type { Chain, Invitation } from '../../src/wire/certificates.js'
import { multicastWorks } from '../network/multicast.js'
import { type Peer, startPeer, until } from '../network/peers.js'
import { closeAll, framed, startRaw } from '../network/raw.js'

const hello = { run: null, config: null, name: 'x' }
const nobody = () => ({ leader: null, leaderAddresses: [] })
const hour = 3_600_000

interface Member extends Peer {
  readonly membership: Membership
  readonly kept: Chain[]
  readonly key: Uint8Array
}

function genesisOf(founder: PeerId): Genesis {
  return {
    format: 1,
    name: 'trio',
    run: runSchema.parse({}),
    data: { content: 'a'.repeat(64), vocabulary: 256, trainTokens: 900, heldOutTokens: 100 },
    clusters: [{ name: 'lake' }],
    founder,
    nonce: randomBytes(8).toString('hex'),
  }
}

interface Coming {
  readonly run?: RunId | null
  readonly invitation?: Invitation | null
  readonly chain?: Chain | null
  readonly now?: () => number
  readonly key?: Uint8Array
  readonly mdns?: boolean
}

async function coming(options: Coming = {}): Promise<Member> {
  const key = options.key ?? (await generateIdentity())
  const kept: Chain[] = []
  const membership = await Membership.of({
    self: keyPairOfIdentity(key),
    run: options.run ?? null,
    invitation: options.invitation ?? null,
    chain: options.chain ?? null,
    keep: (chain) => kept.push(chain),
    now: options.now ?? Date.now,
  })
  const peer = await startPeer({
    privateKey: key,
    door: membership,
    run: null,
    mdns: options.mdns ?? false,
  })
  return { ...peer, membership, kept, key }
}

/** A peer that has made a run. */
async function founding(options: Coming = {}): Promise<Member & { genesis: Genesis; run: RunId }> {
  const founder = await coming(options)
  const genesis = genesisOf(founder.mesh.self)
  const run = runIdOf(genesis, sha256)
  enter(founder, genesis)
  return { ...founder, genesis, run }
}

function enter(member: Member, genesis: Genesis): void {
  member.membership.enter(genesis, nobody)
  member.mesh.enter(runIdOf(genesis, sha256), 'here')
}

const ticketOf = async (member: Member, expires: number | null = null): Promise<Invitation> =>
  (await member.membership.invite(expires)) ?? assert.fail('it can invite nobody')

async function knock(from: Member, at: Peer) {
  const to = await from.mesh.dial(at.mesh.addresses()[0])
  return from.mesh.hello(to, hello)
}

/** Joins by a new ticket of another member. */
async function joined(by: Member, genesis: Genesis): Promise<Member> {
  const guest = await coming({ run: runIdOf(genesis, sha256), invitation: await ticketOf(by) })
  assert.equal((await knock(guest, by)).accepted, true)
  enter(guest, genesis)
  return guest
}

const refusedWith = async (guest: Member, host: Peer, pattern: RegExp) => {
  const answer = await knock(guest, host)
  assert(!answer.accepted && !answer.later)
  assert.match(answer.reason, pattern)
  await until(() => host.mesh.peers().length === 0 && guest.mesh.peers().length === 0)
}

describe('The door of a run', () => {
  afterEach(closeAll)

  it('lets in the bearer of a ticket, makes it a member, and both can speak', async () => {
    const host = await founding()
    const guest = await joined(host, host.genesis)
    await Promise.all([guest.heard('connected'), host.heard('connected')])
    assert.equal(guest.kept.length, 1)
    assert.equal(guest.kept[0].length, 1)
    host.mesh.send(guest.mesh.self, { type: 'leave', reason: 'x' })
    assert.equal((await guest.heard('message')).from, host.mesh.self)
    const { invitation, by } = host.membership.passageOf(guest.mesh.self) ?? assert.fail('no passage')
    assert.equal(by, host.mesh.self)
    assert.deepEqual(guest.membership.passageOf(guest.mesh.self), { invitation, by })
  })

  it('lets members in to each other by the certificates that they got, without any ticket', async () => {
    const host = await founding()
    const [a, b] = [await joined(host, host.genesis), await joined(host, host.genesis)]
    await host.mesh.close()
    await a.mesh.dial(b.mesh.addresses()[0])
    await Promise.all([
      a.heard('connected', ({ peer }) => peer === b.mesh.self),
      b.heard('connected', ({ peer }) => peer === a.mesh.self),
    ])
    a.mesh.send(b.mesh.self, { type: 'leave', reason: 'x' })
    assert.equal((await b.heard('message')).from, a.mesh.self)
  })

  it('lets in again who kept its certificates, once its ticket has expired', async () => {
    const host = await founding()
    const guest = await joined(host, host.genesis)
    await guest.mesh.close()
    const again = await coming({ run: host.run, chain: guest.kept[0], key: guest.key })
    assert.equal((await knock(again, host)).accepted, true)
  })

  it('lets in by the ticket of a member after the founder has left', async () => {
    const host = await founding()
    const member = await joined(host, host.genesis)
    await host.mesh.close()
    const guest = await joined(member, host.genesis)
    assert.equal(guest.kept[0].length, 2)
    assert.deepEqual(member.membership.passageOf(guest.mesh.self)?.by, member.mesh.self)
  })

  it('gives a shorter chain to a member that comes with a longer one', async () => {
    const host = await founding()
    const member = await joined(host, host.genesis)
    const guest = await joined(member, host.genesis)
    assert.equal((await knock(guest, host)).accepted, true)
    assert.deepEqual([guest.kept[0].length, guest.kept.at(-1)?.length], [2, 1])
    assert.deepEqual(guest.membership.passageOf(guest.mesh.self)?.by, member.mesh.self)
  })

  it('turns away who has no ticket, and says so on its side alone', async () => {
    const host = await founding()
    await refusedWith(await coming(), host, /only peers that have a ticket, and this one has none/)
    const guest = await startPeer({ run: null })
    await guest.mesh.dial(host.mesh.addresses()[0])
    const answer = await guest.mesh.hello(host.mesh.self, hello)
    assert(!answer.accepted)
    assert.match(answer.reason, /only peers that have a ticket/)
    await guest.heard('disconnected')
    assert.equal(host.told.filter(({ what }) => what === 'connected').length, 0)
  })

  it('turns away a ticket of another run', async () => {
    const [host, other] = [await founding(), await founding()]
    const guest = await coming({ run: other.run, invitation: await ticketOf(other) })
    await refusedWith(guest, host, new RegExp(`does not belong to run ${other.run.slice(0, 12)}`))
    assert.deepEqual(host.told, [], 'the member is not told: there may be many runs on one network')
  })

  it('turns away a ticket that somebody else has signed for this run', async () => {
    const [host, stranger] = [await founding(), await coming()]
    const key = keyPairOfIdentity(stranger.key)
    const invitation = await invite(host.run, key, [], null)
    await refusedWith(await coming({ run: host.run, invitation }), host, /does not know this ticket/)
  })

  it('turns away who bears a ticket without its key', async () => {
    const host = await founding()
    const invitation = { ...(await ticketOf(host)), seed: new Uint8Array(32) }
    await refusedWith(await coming({ run: host.run, invitation }), host, /does not know this ticket/)
  })

  it('turns away an expired ticket, and names the day', async () => {
    const host = await founding()
    const invitation = await ticketOf(host, Date.parse('2026-01-02T03:04:05Z'))
    const guest = await coming({ run: host.run, invitation })
    await refusedWith(guest, host, /^the ticket expired on 2026-01-02 03:04 UTC$/)
  })

  it('names the clocks where they differ', async () => {
    const host = await founding({ now: () => Date.parse('2026-01-02T06:00:00Z') })
    const invitation = await ticketOf(host, Date.parse('2026-01-02T03:00:00Z'))
    const now = () => Date.parse('2026-01-02T02:00:00Z')
    const guest = await coming({ run: host.run, invitation, now })
    await refusedWith(
      guest,
      host,
      /expired on .*its clock says .* 06:00 UTC and the one here .* differ by 4 h$/,
    )
  })

  it('tolerates clocks that differ by some minutes', async () => {
    const host = await founding()
    const invitation = await ticketOf(host, Date.now() - 60_000)
    assert.equal((await knock(await coming({ run: host.run, invitation }), host)).accepted, true)
  })

  it('turns away a revoked ticket, and hangs up on who came in by it', async () => {
    const host = await founding()
    const invitation = await ticketOf(host, Date.now() + hour)
    const guest = await coming({ run: host.run, invitation })
    await knock(guest, host)
    await host.heard('connected')
    const passage = host.membership.passageOf(guest.mesh.self) ?? assert.fail('no passage')
    host.membership.revoke(passage.invitation)
    host.mesh.reconsider()
    await host.heard('disconnected')
    await refusedWith(
      await coming({ run: host.run, invitation }),
      host,
      /or the member that signed it was revoked/,
    )
  })

  it('hangs up on a revoked peer, whose tickets are void from then on', async () => {
    const host = await founding()
    const member = await joined(host, host.genesis)
    const invitation = await ticketOf(member)
    host.membership.revoke(member.mesh.self)
    host.mesh.reconsider()
    await host.heard('disconnected', ({ peer }) => peer === member.mesh.self)
    await refusedWith(await coming({ run: host.run, invitation }), host, /was revoked/)
  })

  it('does not let a peer call again at once that was turned away', async () => {
    const host = await founding()
    const guest = await coming({ run: host.run, invitation: await ticketOf(host, 0) })
    await refusedWith(guest, host, /expired/)
    await assert.rejects(knock(guest, host))
  })

  it('asks a peer to come again that knocks before the run is there', async () => {
    const host = await coming()
    const guest = await coming({ run: runId('c'.repeat(64)) })
    const answer = await knock(guest, host)
    assert(!answer.accepted && answer.later)
  })

  it('is not passed by an impostor that answers in place of a member', async () => {
    const host = await founding()
    const impostor = await coming()
    enter(impostor, { ...host.genesis, nonce: 'another' })
    const guest = await coming({ run: host.run, invitation: await ticketOf(host) })
    await refusedWith(guest, impostor, /does not belong to run/)
  })

  it('keeps two runs apart that find each other by mDNS', async function () {
    if (!(await multicastWorks())) this.skip()
    const hosts = [await founding({ mdns: true }), await founding({ mdns: true })]
    const guests = await Promise.all(
      hosts.map(async (host) => coming({ run: host.run, invitation: await ticketOf(host), mdns: true })),
    )
    // Each guest asks whoever turns up, as a peer that looks for its run does.
    const found = guests.map(
      (guest) =>
        new Promise<PeerId>((resolve) => {
          const greet = (peer: PeerId) =>
            void guest.mesh
              .hello(peer, hello)
              .then((answer) => answer.accepted && resolve(peer))
              .catch(() => {})
          guest.membership.search = { greet, lost: () => {} }
          for (const peer of guest.membership.arrivals) greet(peer)
        }),
    )
    assert.deepEqual(
      await Promise.all(found),
      hosts.map(({ mesh }) => mesh.self),
    )
    for (const [i, host] of hosts.entries())
      for (const told of host.told)
        if (told.what === 'connected') assert.equal(told.peer, guests[i].mesh.self)
  })

  it('shows an outsider protocol names and a refusal, and nothing of the run', async () => {
    const host = await founding()
    host.mesh.tellStatus(() => assert.fail('the status is told'))
    host.mesh.subscribe({ kind: 'ledger' })
    const raw = await startRaw()
    const connection = await raw.dial(host)
    const silent = [
      '/ipfs/id/1.0.0',
      '/skein/control/1',
      '/skein/bulk/1',
      '/skein/status/1',
      '/meshsub/1.2.0',
    ]
    const question = framed(Uint8Array.of(0x81, ...text('sign'), 0xc0))
    const [knocked, ...seen] = await Promise.all([
      heardOn(connection, DOOR_PROTOCOL, question),
      ...silent.map((protocol) => heardOn(connection, protocol, null)),
    ])
    assert.match(knocked, /refusal.*kind.*refused/s)
    for (const text of [...seen, knocked]) {
      assert(!text.includes(host.run), 'the run')
      assert(!/skein\/[0-9a-f]|\/ip4\/|libp2p|trio|genesis/.test(text), `told: ${text}`)
    }
    assert.deepEqual(seen, ['', '', '', '', ''])
    assert.equal(host.told.filter(({ what }) => what === 'connected').length, 0)
    assert.deepEqual(raw.gossip.getTopics(), [])
    assert.deepEqual(host.mesh.peers(), [])
  })

  it('tells an outsider that says hello nothing but that it needs a ticket', async () => {
    const host = await founding()
    const raw = await startRaw()
    const bytes = framed(
      Uint8Array.of(0x83, ...text('run'), 0xc0, ...text('config'), 0xc0, ...text('name'), ...text('x')),
    )
    const heard = await heardOn(await raw.dial(host), HELLO_PROTOCOL, bytes)
    assert.match(heard, /it lets in only peers that have a ticket/)
    assert(!heard.includes(host.run) && !heard.includes('trio'))
  })
})

/** All that comes on a stream of a protocol, as text, until the other end closes it. */
async function heardOn(connection: Connection, protocol: string, say: Uint8Array | null): Promise<string> {
  let heard = ''
  try {
    const stream = await connection.newStream(protocol)
    const over = new Promise<void>((resolve) => {
      for (const event of ['close', 'remoteCloseWrite'] as const)
        stream.addEventListener(event, () => resolve())
    })
    stream.addEventListener('message', ({ data }) => {
      heard += Buffer.from(data.subarray()).toString('latin1')
    })
    if (say !== null) stream.send(say)
    if (stream.status !== 'open') return heard
    await over
  } catch {
    // Not even opened.
  }
  return heard
}

const text = (short: string): number[] => [0xa0 + short.length, ...Buffer.from(short)]
