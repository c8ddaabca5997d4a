// Kills the leader of a swarm again and again: each time once the one killed before trains again and versions come.
import type { EventRecord } from '../core/reports.js'
import { uniform } from '../outer/random.js'

export interface LeaderKill {
  /** When SIGKILL was sent, ms since 1970. */
  readonly atMs: number
  readonly peer: string
  /** Since when nobody was dead, ms since 1970. */
  readonly calmSinceMs: number
  /** The latest term that was known then. */
  readonly term: number
}

export interface KillOptions {
  readonly kills: number
  /** Voters there must be before the first kill. */
  readonly voters: number
  readonly kill: (peer: string) => void
  readonly restart: (peer: string) => void
  readonly progressed: (done: number) => void
  /** Runs something later. */
  readonly later: (ms: number, run: () => void) => void
  readonly now: () => number
}

/** A dead process is noticed and started again by its keeper in about this time. */
const restartMs = 1_000
/** Quiet time before a kill, and as much more as chance adds: a kill must not keep step with the rounds. */
const settleMs = { least: 3_000, most: 5_000 } as const
/** Versions before the first kill: workers have been measured by then. */
const firstVersions = 10

/** What has to happen before the next kill. */
interface Awaited {
  readonly leader: boolean
  readonly version: boolean
  readonly trains: boolean
}

export class LeaderKills {
  readonly done: LeaderKill[] = []
  #voters = 0
  #version = 0
  #leader: { readonly name: string; readonly term: number } | null = null
  #awaited: Awaited = { leader: true, version: true, trains: true }
  #planned = false
  #calmSinceMs = 0
  #finish: () => void = () => {}
  /** Resolves once the last kill is got over. */
  readonly finished = new Promise<void>((resolve) => {
    this.#finish = resolve
  })

  constructor(private readonly options: KillOptions) {}

  heard(record: EventRecord): void {
    const last = this.done.at(-1)
    switch (record.type) {
      case 'voters':
        this.#voters = record.next === null ? record.voters.length : 0
        break
      case 'leader':
        if (record.term <= (this.#leader?.term ?? 0)) return
        this.#leader = { name: record.leader, term: record.term }
        if (record.term > (last?.term ?? 0)) this.#awaited = { ...this.#awaited, leader: true }
        break
      case 'applied':
        if (record.version > this.#version && this.#awaited.leader)
          this.#awaited = { ...this.#awaited, version: true }
        this.#version = Math.max(this.#version, record.version)
        break
      case 'step-loss':
        if (record.peer !== last?.peer || Date.parse(record.time) < last.atMs + restartMs) return
        this.#awaited = { ...this.#awaited, trains: true }
        break
      default:
        return
    }
    this.#planIfReady()
  }

  #planIfReady(): void {
    const { leader, version, trains } = this.#awaited
    if (this.#planned || !leader || !version || !trains) return
    if (this.#voters < this.options.voters || this.#version < firstVersions) return
    this.#planned = true
    this.#calmSinceMs = this.options.now()
    const chance = uniform(this.options.kills, this.done.length)
    this.options.later(settleMs.least + (settleMs.most - settleMs.least) * chance, () => this.#next())
  }

  #next(): void {
    const { kills, kill, restart, later, now, progressed } = this.options
    progressed(this.done.length)
    if (this.done.length === kills || this.#leader === null) return this.#finish()
    const { name, term } = this.#leader
    this.#planned = false
    this.#awaited = { leader: false, version: false, trains: false }
    this.done.push({ atMs: now(), peer: name, calmSinceMs: this.#calmSinceMs, term })
    kill(name)
    later(restartMs, () => restart(name))
  }
}
