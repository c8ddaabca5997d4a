// What the end of one peer means for the others: a supervisor over children that only pretend.
import assert from 'node:assert/strict'
import type { ChildListener, ChildSignal } from '../../src/cli/child-process.js'
import { Supervisor, type SwarmEnd } from '../../src/cli/supervisor.js'
import { peerId } from '../../src/core/ids.js'
import type { Report } from '../../src/core/reports.js'

interface Started {
  readonly name: string
  readonly bootstrap: readonly string[]
  readonly again: boolean
}

class Swarm {
  readonly started: Started[] = []
  readonly signals: string[] = []
  readonly notes: string[] = []
  readonly supervisor: Supervisor
  readonly end: Promise<SwarmEnd>
  readonly #listeners = new Map<string, ChildListener>()

  constructor(peers: readonly string[]) {
    this.supervisor = new Supervisor({
      peers,
      founder: peers[0],
      startPeers: 1,
      start: (name, bootstrap, again, listener) => {
        this.started.push({ name, bootstrap, again })
        this.#listeners.set(name, listener)
        return { kill: (signal) => this.#signal(name, signal) }
      },
      record: () => {},
      note: (text) => this.notes.push(text),
    })
    this.end = this.supervisor.run()
    for (const name of peers) this.listens(name)
  }

  listens(name: string): void {
    this.says(name, { type: 'listening', id: peerId(name), addresses: [`/${name}`], ticket: null })
  }

  says(name: string, report: Report, cluster?: string): void {
    const about = cluster === undefined ? {} : { swarm: cluster }
    const record = { time: '2026-01-01T00:00:00.000Z', peer: name, ...about, ...report }
    this.#listeners.get(name)?.message({ kind: 'record', record })
  }

  /** Three vote, the first leads, the run has begun. */
  begins(voters: readonly string[]): void {
    this.says(voters[0], {
      type: 'leader',
      term: 1,
      leader: voters[0],
      id: peerId(voters[0]),
      reason: 'it founded the run',
    })
    this.says(voters[0], { type: 'voters', voters, next: null, reason: 'they have proved themselves' })
    this.says(voters[0], {
      type: 'assigned',
      assignment: 'a1' as never,
      worker: voters[0],
      version: 0,
      steps: 1,
      shard: 0,
      position: 0,
      speed: null,
      maxSpeed: null,
      learningRate: 0.1,
      window: 0,
    })
  }

  finishes(name: string): void {
    this.#listeners.get(name)?.message({ kind: 'outcome', outcome: { kind: 'finished', reason: 'done' } })
    this.dies(name, 0, null)
  }

  stops(name: string): void {
    this.#listeners.get(name)?.message({ kind: 'outcome', outcome: { kind: 'stopped' } })
    this.dies(name, 130, null)
  }

  dies(name: string, code: number | null = null, signal: string | null = 'SIGKILL'): void {
    this.#listeners.get(name)?.ended({ code, signal, lastWords: [] })
  }

  #signal(name: string, signal: ChildSignal): void {
    this.signals.push(`${name} ${signal}`)
  }
}

const three = ['anser', 'branta', 'cygnus']

describe('A swarm of one machine', () => {
  it('goes on without its founder while a majority of the voters runs', async () => {
    const swarm = new Swarm(three)
    swarm.begins(three)
    swarm.dies('anser')
    assert.match(swarm.notes.join(), /peer anser ended unexpectedly .*\nthe others go on/)
    assert.equal(swarm.supervisor.crashes.length, 1)
    swarm.says('branta', {
      type: 'leader',
      term: 2,
      leader: 'branta',
      id: peerId('branta'),
      reason: 'chosen',
    })
    swarm.finishes('cygnus')
    swarm.finishes('branta')
    assert.deepEqual(await swarm.end, { kind: 'finished' })
    assert.equal(swarm.started.length, 3, 'nobody is started again')
  })

  it('ends with the reason where a majority of the voters is gone', async () => {
    const swarm = new Swarm(three)
    swarm.begins(three)
    swarm.dies('anser')
    swarm.dies('cygnus')
    assert.deepEqual(swarm.signals, ['branta SIGINT'])
    swarm.stops('branta')
    const end = await swarm.end
    assert.ok(end.kind === 'failed' && /peer cygnus ended unexpectedly/.test(end.error.message))
  })

  it('of a hierarchical run counts the voters of the swarm above, whatever a cluster says of its own', async () => {
    const swarm = new Swarm(three)
    swarm.begins(three)
    const theirs = { voters: ['anser'], next: null, reason: 'it founded the swarm' }
    swarm.says('anser', { type: 'voters', ...theirs }, 'north')
    swarm.dies('anser')
    assert.deepEqual(swarm.signals, [])
    assert.match(swarm.notes.join(), /the others go on/)
    for (const name of ['branta', 'cygnus']) swarm.finishes(name)
    assert.deepEqual(await swarm.end, { kind: 'finished' })
  })

  it('goes on when its leader is asked to stop and others can lead', async () => {
    const swarm = new Swarm(three)
    swarm.begins(three)
    swarm.stops('anser')
    assert.match(swarm.notes.join(), /peer anser was stopped; the others go on/)
    swarm.supervisor.interrupt(1)
    for (const name of ['branta', 'cygnus']) swarm.stops(name)
    assert.deepEqual(await swarm.end, { kind: 'stopped' })
  })

  it('starts a peer again that was killed on purpose, with the addresses of the others', async () => {
    const swarm = new Swarm(three)
    swarm.begins(three)
    swarm.supervisor.kill('anser')
    assert.deepEqual(swarm.supervisor.up(), ['branta', 'cygnus'])
    swarm.dies('anser')
    assert.deepEqual(swarm.notes, [])
    swarm.supervisor.restart('anser')
    assert.deepEqual(swarm.started.at(-1), { name: 'anser', bootstrap: ['/branta', '/cygnus'], again: true })
    assert.deepEqual(swarm.supervisor.crashes, [])
    swarm.supervisor.interrupt(1)
    for (const name of three) swarm.stops(name)
    assert.deepEqual(await swarm.end, { kind: 'stopped' })
  })

  it('starts nobody again once a peer has come to the end of the run', async () => {
    const swarm = new Swarm(three)
    swarm.begins(three)
    swarm.supervisor.kill('cygnus')
    swarm.dies('cygnus')
    swarm.finishes('branta')
    swarm.supervisor.restart('cygnus')
    assert.equal(swarm.started.length, 3)
    swarm.finishes('anser')
    assert.deepEqual(await swarm.end, { kind: 'finished' })
  })

  it('ends as finished where the leader was killed when the others had come to the end', async () => {
    const swarm = new Swarm(three)
    swarm.begins(three)
    swarm.supervisor.kill('anser')
    swarm.dies('anser')
    swarm.finishes('branta')
    swarm.finishes('cygnus')
    assert.deepEqual(await swarm.end, { kind: 'finished' })
  })

  it('lets a paused peer go on when everybody is to stop', async () => {
    const swarm = new Swarm(three)
    swarm.begins(three)
    swarm.supervisor.pause('branta')
    assert.deepEqual(swarm.supervisor.up(), ['anser', 'cygnus'])
    swarm.supervisor.interrupt(1)
    assert.deepEqual(
      swarm.signals.filter((signal) => signal.startsWith('branta')),
      ['branta SIGSTOP', 'branta SIGINT', 'branta SIGCONT'],
    )
    for (const name of three) swarm.stops(name)
    await swarm.end
  })
})
