// How faults befall peers: on a clock that the test turns.
import assert from 'node:assert/strict'
import type { FaultyNetwork } from '../../src/faults/proxy.js'
import { FaultRunner } from '../../src/faults/runner.js'
import type { Fault } from '../../src/faults/schedule.js'

/** Runs what is due when told how late it is. */
class Clock {
  #due: { readonly atMs: number; readonly run: () => void }[] = []
  #nowMs = 0

  readonly later = (ms: number, run: () => void): (() => void) => {
    const one = { atMs: this.#nowMs + ms, run }
    this.#due.push(one)
    return () => {
      this.#due = this.#due.filter((other) => other !== one)
    }
  }

  turnTo(ms: number): void {
    for (;;) {
      const next = this.#due.filter(({ atMs }) => atMs <= ms).sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) break
      this.#due = this.#due.filter((one) => one !== next)
      this.#nowMs = next.atMs
      next.run()
    }
    this.#nowMs = ms
  }
}

const clusters: Readonly<Record<string, string>> = { a: 'north', b: 'north', c: 'south' }

class World {
  readonly clock = new Clock()
  readonly log: string[] = []
  readonly told: string[] = []
  up = ['a', 'b', 'c']
  leader: string | null = 'a'

  run(...schedule: readonly Partial<Fault>[]): FaultRunner {
    const say = (word: string) => (peer: string) => void this.log.push(`${word} ${peer}`)
    const runner = new FaultRunner({
      schedule: schedule.map((fault) => ({
        atMs: 100,
        forMs: 50,
        kind: 'kill',
        leader: false,
        order: ['b', 'a', 'c'],
        abrupt: false,
        ...fault,
      })),
      subjects: {
        up: () => this.up,
        leader: () => this.leader,
        clusterOf: (peer) => clusters[peer],
        kill: say('kill'),
        restart: say('restart'),
        pause: say('pause'),
        resume: say('resume'),
      },
      network: {
        change: (from: string, to: string, { flow }: { flow: string }) =>
          this.log.push(`${from}>${to} ${flow}`),
      } as unknown as FaultyNetwork,
      tell: (what, peers, forMs) => this.told.push(`${what} ${peers.join('+')} ${forMs}`),
      later: this.clock.later,
    })
    runner.start()
    return runner
  }
}

describe('Faults', () => {
  it('befall the first peer that is up, and are mended after their time', () => {
    const world = new World()
    world.up = ['a', 'c']
    world.run({})
    world.clock.turnTo(99)
    assert.deepEqual(world.log, [])
    world.clock.turnTo(149)
    assert.deepEqual([world.log, world.told], [['kill a'], ['kill a 50']])
    world.clock.turnTo(150)
    assert.deepEqual(world.log, ['kill a', 'restart a'])
  })

  it('befall the leader where they are meant for it and it is up', () => {
    const world = new World()
    world.leader = 'c'
    world.run({ kind: 'pause', leader: true })
    world.clock.turnTo(200)
    assert.deepEqual(world.log, ['pause c', 'resume c'])
  })

  it('are left out where nobody is up', () => {
    const world = new World()
    world.up = []
    world.run({})
    world.clock.turnTo(1000)
    assert.deepEqual([world.log, world.told], [[], []])
  })

  it('cut a peer off both ways, silently or at once', () => {
    const world = new World()
    world.run({ kind: 'isolate', abrupt: true })
    world.clock.turnTo(100)
    assert.deepEqual(world.log, ['b>a broken', 'b>c broken', 'a>b broken', 'c>b broken'])
  })

  it('part the cluster of a peer from the others', () => {
    const world = new World()
    world.run({ kind: 'split' })
    world.clock.turnTo(100)
    assert.deepEqual(world.log, ['b>c silent', 'a>c silent', 'c>b silent', 'c>a silent'])
    assert.deepEqual(world.told, ['split b+a 50'])
  })

  it('let nobody hear a mute peer, which hears the others', () => {
    const world = new World()
    world.run({ kind: 'mute', abrupt: true })
    world.clock.turnTo(200)
    assert.deepEqual(world.log, ['b>a silent', 'b>c silent', 'b>a open', 'b>c open'])
  })

  it('that lie over each other open a way only when the last of them is over', () => {
    const world = new World()
    world.run({ kind: 'mute', forMs: 100 }, { kind: 'isolate', atMs: 120, forMs: 30, abrupt: true })
    world.clock.turnTo(150)
    const last = new Map(world.log.map((line) => line.split(' ') as [string, string]))
    assert.deepEqual(Object.fromEntries(last), {
      'b>a': 'silent',
      'b>c': 'silent',
      'a>b': 'open',
      'c>b': 'open',
    })
  })

  it('end when they are stopped: what is broken is mended, nobody is started again, none comes after', () => {
    const world = new World()
    const runner = world.run({ kind: 'pause' }, { atMs: 110, order: ['c'] }, { atMs: 400 })
    world.clock.turnTo(120)
    runner.stop()
    world.clock.turnTo(1000)
    assert.deepEqual(world.log, ['pause b', 'kill c', 'resume b'])
  })
})
