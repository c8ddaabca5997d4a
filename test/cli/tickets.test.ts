// `skein ticket` and `skein revoke` from a run folder, and what reaches a forked peer, in real processes.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseLifetime } from '../../src/cli/lifetime.js'
import { callsFor, ticketsOfParent } from '../../src/cli/tickets-of-parent.js'
import { generateIdentity, identityOf } from '../../src/network/identity.js'
import { keepGenesis } from '../../src/node/founding.js'
import { sha256 } from '../../src/platform/sha256.js'
import type { PeerStatus } from '../../src/ports/status.js'
import { peerPaths, runPaths } from '../../src/store/run-paths.js'
import { type Genesis, runIdOf } from '../../src/swarmfile/genesis.js'
import { runSchema } from '../../src/swarmfile/schema.js'
import { isTicket, readTicket, writeTicket } from '../../src/wire/ticket.js'
import { realMain, run, Workplace } from './processes.js'

const addresses = ['/ip4/192.168.0.7/tcp/4001']

describe('From a run folder', () => {
  const place = new Workplace()
  after(() => place.remove())
  const skein = (...args: string[]) => run(realMain, args, place.folder)
  let genesis: Genesis

  before(async () => {
    const folder = join(place.folder, 'runs/trio')
    const paths = peerPaths(folder, 'anser')
    mkdirSync(dirname(paths.key), { recursive: true })
    const key = await generateIdentity()
    const id = identityOf(key)
    writeFileSync(paths.key, key)
    genesis = {
      format: 1,
      name: 'trio',
      run: runSchema.parse({}),
      data: { content: 'a'.repeat(64), vocabulary: 256, trainTokens: 900, heldOutTokens: 100 },
      clusters: [{ name: 'lake' }],
      founder: id,
      nonce: '1',
    }
    await keepGenesis(runPaths(folder).genesis, genesis)
    const anser = { name: 'anser', id }
    const status: PeerStatus = {
      ...anser,
      cluster: 'lake',
      pid: 1,
      run: runIdOf(genesis, sha256),
      time: '2026-01-01T00:00:00.000Z',
      epoch: 0,
      term: 1,
      leader: anser,
      leads: null,
      voters: [anser],
      next: null,
      tolerance: null,
      above: null,
      parent: null,
      members: [],
      revoked: [],
      addresses,
      paths: [],
      version: 1,
      committed: 1,
      refusals: {},
      phase: 'training',
    }
    writeFileSync(paths.status, JSON.stringify(status))
  })

  it('skein ticket prints a ticket and nothing else, signed with the key of the folder', async () => {
    const { code, stdout, stderr } = await skein('ticket', 'runs/trio', '--expires', '30m')
    assert.equal(code, 0)
    assert.match(stdout, /^skein1\w+\n$/)
    assert.match(stderr, /anser does not run: .*\ngood until .*; to revoke it: .* revoke runs\/trio 12D3Koo/)
    const { run: of, name, invitation, addresses: told } = readTicket(stdout)
    assert.deepEqual([of, name, told], [runIdOf(genesis, sha256), 'trio', addresses])
    const minutes = ((invitation?.chain[0].expires ?? 0) - Date.now()) / 60_000
    assert(minutes > 25 && minutes <= 30)
  })

  it('skein ticket tells scripts the ticket, its id and its end', async () => {
    const { stdout } = await skein('ticket', 'runs/trio', '--expires', 'never', '--json')
    const told = JSON.parse(stdout) as Record<string, unknown>
    assert(isTicket(String(told.ticket)))
    assert.equal(told.expires, null)
    assert.equal(told.invitation, readTicket(String(told.ticket)).invitation?.chain[0].holder)
    assert.deepEqual([told.addresses, told.signedBy], [addresses, 'anser'])
  })

  it('both say what is missing', async () => {
    const mistakes: [string[], number, RegExp][] = [
      [['ticket', 'runs/trio', '--name', 'heron'], 2, /holds no peer heron\nwhat to do: choose one of anser/],
      [['ticket', 'runs/trio', '--expires', 'soon'], 2, /30m, 12h or 7d, or never/],
      [['revoke', 'runs/trio', 'attic'], 6, /no voter of the run runs from runs\/trio/],
      [
        ['peer', 'fake.yaml', '--name', 'a', '--ticket', 'skein1xyz'],
        2,
        /the ticket cannot be read: it is cut short/,
      ],
    ]
    place.swarm(['a'])
    for (const [args, expected, pattern] of mistakes) {
      const { code, stderr } = await skein(...args)
      assert.equal(code, expected, stderr)
      assert.match(stderr, pattern)
    }
  })
})

describe('A lifetime', () => {
  it('is read in minutes, hours and days', () => {
    assert.deepEqual(['30m', '12h', '7d', 'never'].map(parseLifetime), [
      1.8e6,
      4.32e7,
      6.048e8,
      Number.POSITIVE_INFINITY,
    ])
    for (const wrong of ['', '7', '0d', '-1h', '1.5h', '7w', '100000d'])
      assert.throws(() => parseLifetime(wrong))
  })
})

describe('What a forked peer is to call on', () => {
  it('comes by the command line, and tickets by the environment alone', () => {
    const ticket = writeTicket({ run: 'ab'.repeat(32) as never, name: 'x', addresses, invitation: null })
    const { args, env } = callsFor([ticket, '/ip4/10.0.0.1/tcp/1', ticket])
    assert.deepEqual(args, ['--bootstrap', '/ip4/10.0.0.1/tcp/1'])
    assert.deepEqual(ticketsOfParent(env), [ticket, ticket])
    assert.deepEqual(ticketsOfParent(callsFor([]).env), [])
  })
})
