// Carries out a schedule of faults on running peers: breaks, waits, mends.
import type { FaultyNetwork } from './proxy.js'
import type { FaultKind } from './records.js'
import type { Fault } from './schedule.js'

/** The processes that faults befall. */
export interface Subjects {
  /** Peers whose process runs and is not paused. */
  up(): readonly string[]
  leader(): string | null
  clusterOf(peer: string): string
  kill(peer: string): void
  restart(peer: string): void
  pause(peer: string): void
  resume(peer: string): void
}

export interface RunnerOptions {
  readonly schedule: readonly Fault[]
  readonly subjects: Subjects
  /** Null where the schedule has no fault of the network. */
  readonly network: FaultyNetwork | null
  /** Is told of each fault as it begins. */
  readonly tell: (what: FaultKind, peers: readonly string[], forMs: number) => void
  /** Runs something later; returns how to prevent it. */
  readonly later?: (ms: number, run: () => void) => () => void
}

type Way = readonly [from: string, to: string]
interface Block {
  readonly ways: readonly Way[]
  readonly flow: 'silent' | 'broken'
}

export class FaultRunner {
  readonly #later: NonNullable<RunnerOptions['later']>
  /** What is broken now, and how it is mended. */
  readonly #broken = new Map<Fault, () => void>()
  readonly #waiting = new Set<() => void>()
  readonly #blocks = new Set<Block>()
  #started = false

  constructor(private readonly options: RunnerOptions) {
    this.#later = options.later ?? laterBy
  }

  /** The schedule's time begins; a second call changes nothing. */
  start(): void {
    if (this.#started) return
    this.#started = true
    for (const fault of this.options.schedule) this.#wait(fault.atMs, () => this.#begin(fault))
  }

  /** No more faults; what is broken is mended, except that nobody is started again. */
  stop(): void {
    for (const cancel of this.#waiting) cancel()
    this.#waiting.clear()
    for (const [fault, mend] of this.#broken) if (fault.kind !== 'kill') mend()
    this.#broken.clear()
  }

  #begin(fault: Fault): void {
    const { subjects, tell } = this.options
    const peer = this.#victim(fault)
    if (peer === null) return
    const peers = fault.kind === 'split' ? this.#sideOf(fault, peer) : [peer]
    tell(fault.kind, peers, fault.forMs)
    this.#broken.set(fault, this.#breakIt(fault, peers, subjects))
    this.#wait(fault.forMs, () => {
      this.#broken.get(fault)?.()
      this.#broken.delete(fault)
    })
  }

  /** Breaks something; returns how it is mended. */
  #breakIt({ kind, abrupt, order }: Fault, peers: readonly string[], subjects: Subjects): () => void {
    const [peer] = peers
    const others = without(order, peers)
    switch (kind) {
      case 'kill':
        subjects.kill(peer)
        return () => subjects.restart(peer)
      case 'pause':
        subjects.pause(peer)
        return () => subjects.resume(peer)
      case 'isolate':
      case 'split':
        return this.#block([...waysOut(peers, others), ...waysOut(others, peers)], abrupt)
      case 'mute':
        // A connection that breaks would tell the peer as well as the others.
        return this.#block(waysOut(peers, others), false)
    }
  }

  #block(ways: readonly Way[], abrupt: boolean): () => void {
    const block: Block = { ways, flow: abrupt ? 'broken' : 'silent' }
    this.#blocks.add(block)
    this.#changeWays(ways)
    return () => {
      this.#blocks.delete(block)
      this.#changeWays(ways)
    }
  }

  /** Blocks may lie over each other: a way is open when none of them is left. */
  #changeWays(ways: readonly Way[]): void {
    for (const [from, to] of ways) {
      const over = [...this.#blocks].filter((block) =>
        block.ways.some((way) => way[0] === from && way[1] === to),
      )
      const broken = over.some(({ flow }) => flow === 'broken')
      this.options.network?.change(from, to, {
        flow: broken ? 'broken' : over.length > 0 ? 'silent' : 'open',
      })
    }
  }

  #victim({ leader, order }: Fault): string | null {
    const { subjects } = this.options
    const up = subjects.up()
    const now = subjects.leader()
    if (leader && now !== null && up.includes(now)) return now
    return order.find((peer) => up.includes(peer)) ?? null
  }

  #sideOf({ order }: Fault, peer: string): readonly string[] {
    const { subjects } = this.options
    return order.filter((other) => subjects.clusterOf(other) === subjects.clusterOf(peer))
  }

  #wait(ms: number, run: () => void): void {
    const cancel = this.#later(ms, () => {
      this.#waiting.delete(cancel)
      run()
    })
    this.#waiting.add(cancel)
  }
}

const waysOut = (of: readonly string[], others: readonly string[]): readonly Way[] =>
  of.flatMap((from) => others.map((to): Way => [from, to]))

const without = (all: readonly string[], some: readonly string[]): readonly string[] =>
  all.filter((one) => !some.includes(one))

function laterBy(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms)
  return () => clearTimeout(timer)
}
