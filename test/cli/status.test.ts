// How things stand in a run: what is made of what its peers say, and the command in real processes.
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { statusLines } from '../../src/cli/status-lines.js'
import { statusReport, type Told } from '../../src/cli/status-report.js'
import { toleranceOf } from '../../src/core/configuration.js'
import { assignmentId, peerId, runId } from '../../src/core/ids.js'
import { type AboveStatus, type NamedPeer, type PeerStatus, unknownStanding } from '../../src/ports/status.js'
import { Workplace } from './processes.js'

const now = new Date('2026-01-01T00:00:10.000Z')
/** An id of the right form for a name of letters. */
const idOf = (name: string) => peerId(`12D3KooW${name.repeat(44).slice(0, 44)}`.replace(/[0IOl]/g, 'x'))
const named = (name: string): NamedPeer => ({ name, id: idOf(name) })

interface Said extends Partial<Omit<PeerStatus, 'leader' | 'voters' | 'next'>> {
  readonly leader?: string | null
  readonly voters?: readonly string[] | null
  readonly next?: readonly string[] | null
}

/** What a peer says, one second ago unless told otherwise. */
function said(
  name: string,
  { leader = 'anser', voters = null, next = null, ...rest }: Said = {},
): PeerStatus {
  return {
    ...named(name),
    cluster: 'north',
    pid: 7,
    run: runId('ab'.repeat(32)),
    time: '2026-01-01T00:00:09.000Z',
    epoch: 0,
    term: 3,
    leader: leader === null ? null : named(leader),
    leads: null,
    voters: voters?.map(named) ?? null,
    next: next?.map(named) ?? null,
    tolerance: voters === null ? null : toleranceOf(voters.length),
    above: null,
    parent: null,
    members: [],
    revoked: [],
    addresses: [],
    paths: [],
    version: 12,
    committed: 40,
    refusals: {},
    phase: 'training',
    ...rest,
  }
}

const running = (status: PeerStatus): Told => ({ status, running: true })
const stopped = (status: PeerStatus): Told => ({ status, running: false })
const three = ['anser', 'branta', 'cygnus']
const report = (...told: readonly Told[]) => statusReport('runs/trio', told, now)
const text = (...told: readonly Told[]) => statusLines(report(...told), 120).join('\n')

describe('The status of a run', () => {
  it('is that of the peer that knows most: of the latest term, the leader itself', () => {
    const { leader, leads, term, version, voters } = report(
      running(said('branta', { leader: 'branta', term: 2, version: 13, voters: three })),
      running(said('anser', { leads: 'it founded the run', voters: three })),
      running(said('cygnus', { voters: three, version: 14, committed: 44 })),
    )
    assert.deepEqual([leader, leads, term, version, voters], ['anser', 'it founded the run', 3, 12, three])
  })

  it('says for each voter whether the run goes on without it, and what may be lost then', () => {
    const told = three.map((name) => running(said(name, { voters: three })))
    assert.match(text(...told), /^ {2}voters +anser, branta, cygnus: it survives the loss of one voter$/m)
    assert.match(
      text(...told),
      /if branta died: the run goes on, anser and cygnus are a majority; no further loss is survived/,
    )
    const five = [...three, 'fulmar', 'petrel']
    assert.match(
      text(...five.map((name) => running(said(name, { voters: five })))),
      /if fulmar died: the run goes on, .* are a majority; one further loss is survived/,
    )
  })

  it('says that one voter, or two, are not fault-tolerant, and what their loss would mean', () => {
    const alone = text(running(said('anser', { voters: ['anser'] })))
    assert.match(alone, /one voter: not fault-tolerant/)
    assert.match(
      alone,
      /if anser died: the run stands still until a majority is back: nobody is left of 1 voter$/m,
    )
    const two = ['anser', 'branta'].map((name) => running(said(name, { voters: ['anser', 'branta'] })))
    assert.match(text(...two), /2 voters: not fault-tolerant/)
    assert.match(text(...two), /if branta died: the run stands still .*: anser is left of 2 voters$/m)
  })

  it('counts only voters that are there', () => {
    const told = [
      running(said('anser', { voters: three })),
      running(said('branta', { voters: three })),
      stopped(said('cygnus', { voters: three, time: '2026-01-01T00:00:00.000Z' })),
    ]
    const { ifLost, canGoOn, peers } = report(...told)
    assert.ok(canGoOn)
    assert.deepEqual(
      ifLost.map(({ name, goesOn }) => [name, goesOn]),
      [
        ['anser', false],
        ['branta', false],
      ],
    )
    assert.deepEqual(
      peers.map(({ up, ageSeconds }) => [up, ageSeconds]),
      [
        [true, 1],
        [true, 1],
        [false, 10],
      ],
    )
    assert.match(text(...told), /^not running: cygnus; what is shown of them is what they wrote last$/m)
  })

  it('shows the path from the peer that knows most to each other', () => {
    const { id } = named('branta')
    const paths = [{ id, kind: 'relayed', roundTripMs: 38, bytesPerSecond: 2_000_000 }] as const
    const told = [running(said('anser', { voters: three, paths })), running(said('branta'))]
    const [anser, branta] = report(...told).peers
    assert.deepEqual([anser.path, branta.path], [null, paths[0]])
    assert.match(text(...told), /^branta .* relayed +38 ms +2\.00 MB\/s/m)
  })

  it('asks for majorities of both sets while the voters change', () => {
    const sets = { voters: ['anser'], next: three }
    const told = three.map((name) => running(said(name, sets)))
    const { ifLost } = report(...told)
    assert.deepEqual(
      ifLost.map(({ name, goesOn }) => [name, goesOn]),
      [
        ['anser', false],
        ['branta', true],
        ['cygnus', true],
      ],
    )
    assert.match(text(...told), /to be +anser, branta, cygnus, as soon as both sets have agreed/)
  })

  it('says so where no majority is there, and where nobody runs at all', () => {
    const one = [
      running(said('anser', { voters: three })),
      ...['branta', 'cygnus'].map((name) => stopped(said(name))),
    ]
    assert.match(text(...one), /no majority of the voters is there: the run stands still/)
    assert.doesNotMatch(text(...one), /if anser died/)
    assert.match(
      text(stopped(said('anser', { voters: three }))),
      /nobody runs; anser led term 3 when it was last seen/,
    )
  })

  it('adds up what was refused, and tells of peers that were not asked by the word of the others', () => {
    const member = (name: string, present: boolean) => ({
      ...named(name),
      cluster: 'south',
      replica: false,
      present,
      reach: 'lan' as const,
    })
    const told = running(
      said('anser', {
        voters: ['anser'],
        refusals: { heartbeat: 2 },
        members: [member('branta', true), member('cygnus', false)],
      }),
    )
    assert.match(text(told), /refused +heartbeat 2/)
    assert.match(text(told), /^branta +south +worker +there +by others$/m)
    assert.match(text(told), /^cygnus +south +worker +gone +by others$/m)
  })

  it('tells by whom each cluster is reached, and which has nobody for that', () => {
    const one = { replica: true, present: true }
    const members = [
      { ...named('anser'), ...one, cluster: 'north', reach: 'relayed' as const },
      { ...named('branta'), ...one, cluster: 'south', reach: 'lan' as const },
    ]
    const told = text(running(said('anser', { members })))
    assert.match(told, /head +north is reached through anser, by relay/)
    assert.match(told, /head +south has none: .* --relay/)
    assert.doesNotMatch(text(running(said('anser', { members: members.slice(0, 1) }))), /head/)
  })

  it('of a hierarchical run is that of the swarm above, and of every cluster what it reported and took in', () => {
    const voters = ['anser', 'branta']
    const account = {
      speaker: named('branta'),
      present: true,
      reports: 4,
      contributions: 12,
      reported: 19,
      given: 20,
    }
    const above: AboveStatus = {
      ...unknownStanding,
      term: 5,
      leader: named('anser'),
      voters: voters.map(named),
      tolerance: toleranceOf(2),
      version: 20,
      committed: 90,
      clusters: [{ cluster: 'south', ...account }],
    }
    const parent = { merged: 18, round: assignmentId(80), collected: 2, wanted: 6, reporting: true }
    const unknown = { ...unknownStanding, clusters: [] }
    const told = [
      running(said('cygnus', { term: 9, version: 70, above: unknown })),
      running(said('anser', { version: 60, voters: ['anser'], above })),
      running(
        said('branta', {
          cluster: 'south',
          leader: 'branta',
          version: 40,
          voters: ['branta'],
          above,
          parent,
        }),
      ),
    ]
    const { leader, term, version, clusters, peers } = report(...told)
    assert.deepEqual([leader, term, version], ['anser', 5, 20])
    assert.deepEqual(
      clusters.map(({ cluster, leader: own, version: at }) => [cluster, own, at]),
      [
        ['north', 'anser', 60],
        ['south', 'branta', 40],
      ],
    )
    assert.deepEqual(
      peers.map(({ name, role, above: part }) => [name, role, part]),
      [
        ['cygnus', 'worker', null],
        ['anser', 'leader', 'leader'],
        ['branta', 'leader', 'voter'],
      ],
    )
    const lines = text(...told)
    assert.match(lines, /^cluster south\n {2}leader +branta leads term 3\n {2}voters +branta: one voter/m)
    assert.match(lines, /if branta died: the cluster stands still until a majority is back/)
    assert.match(
      lines,
      /reports +4 applied above, of 12 contributions, the latest made version 19; branta speaks for it, at a round from version 20/,
    )
    assert.match(lines, /above +took in version 18 last; 2 of 6 contributions are in .*, one is on its way/)
  })

  it('of a worker that keeps no ledger does not pretend to know who votes', () => {
    assert.match(
      text(running(said('anser', { leader: 'branta' }))),
      /keeps no ledger and does not know who votes/,
    )
  })
})

describe('skein status', function () {
  this.timeout(60_000)
  const place = new Workplace()
  after(() => place.leave())
  const status = (...args: string[]) => place.run('status', ...args)

  it('tells of a peer by its folder and by a ticket alike, and nothing to who has none', async () => {
    const file = {
      name: 'solo',
      run: { model: { preset: 'nano' }, inner: { batch: 1 }, stop: { versions: 1_000_000 } },
      clusters: [{ name: 'home' }],
      peers: [{ name: 'wren', cluster: 'home', slowdown: 5 }],
    }
    writeFileSync(join(place.folder, 'solo.yaml'), JSON.stringify(file))
    const solo = place.start('up', 'solo.yaml', '--engine', 'onnx-cpu')
    await solo.shows('steps of wren')
    const byFolder = await status('runs/solo')
    assert.deepEqual([byFolder.code, byFolder.stderr], [0, ''])
    assert.match(byFolder.stdout, /^run [0-9a-f]{8}, as told by runs\/solo$/m)
    assert.match(byFolder.stdout, /leader +wren leads term 1 \(it founded the run; it is the only voter\)/)
    assert.match(byFolder.stdout, /voters +wren: one voter: not fault-tolerant/)
    const address = addressIn(join(place.folder, 'runs/solo/events.jsonl'))
    const withoutTicket = await status(address)
    assert.equal(withoutTicket.code, 5)
    assert.match(withoutTicket.stderr, /it lets in only peers that have a ticket/)
    const { stdout: ticket } = await place.run('ticket', 'runs/solo')
    const byTicket = await status(ticket.trim(), '--json')
    assert.equal(byTicket.code, 0, byTicket.stderr)
    const { leader, voters, peers, from } = JSON.parse(byTicket.stdout)
    assert.deepEqual([leader, voters, from], ['wren', ['wren'], 'wren'])
    assert.deepEqual([peers.length, peers[0].up], [1, true])
    solo.process.kill('SIGINT')
    await solo.ended
    assert.match((await status('runs/solo')).stdout, /nobody runs; wren led term 1 when it was last seen/)
  })

  const mistakes: readonly [string, string[], number, RegExp][] = [
    ['a folder that is not there', ['nowhere'], 8, /there is no run folder nowhere/],
    ['a folder that holds no run', ['empty'], 8, /no peer of a run has left anything in empty/],
    ['a peer that is not there', ['/ip4/127.0.0.1/tcp/1'], 5, /no peer told its status: .*tcp\/1/],
    ['a ticket that is damaged', ['skein1xyz'], 2, /the ticket cannot be read/],
    ['an unknown option', ['runs/solo', '--jsn'], 2, /unknown option '--jsn'/],
  ]
  for (const [what, args, code, message] of mistakes)
    it(`answers ${what} with exit code ${code} and a reason`, async () => {
      mkdirSync(join(place.folder, 'empty'), { recursive: true })
      const ended = await status(...args)
      assert.deepEqual([ended.code, ended.stdout], [code, ''])
      assert.match(ended.stderr, message)
    })
})

/** Where the first peer listens that has reported it. */
function addressIn(events: string): string {
  const line = readFileSync(events, 'utf8')
    .split('\n')
    .find((text) => text.includes('"type":"listening"'))
  return (JSON.parse(line ?? '{}') as { addresses: string[] }).addresses[0]
}
