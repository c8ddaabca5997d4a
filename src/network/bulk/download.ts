// One content on its way here, from several donors at once. The first donor that answers gives the list of chunks, which is
// checked against the content's name; from then on every chunk is checked as it comes, a donor whose chunk is another one is
// named and left, and what was asked of a donor that is slow, dead or lying is asked of others. What has come is given to
// others at once: donors name those who take the same content (fellows), every two of which ask each other, tell each
// other what they have got (news), and so bring a chunk that one of them has to all.
import { setTimeout as pause } from 'node:timers/promises'
import type { Connection } from '@libp2p/interface'
import type { Hash, PeerId, RunId } from '../../core/ids.js'
import type { BulkName, FetchOptions } from '../../ports/mesh.js'
import type { BulkAnswer } from '../../wire/frames.js'
import { asError, messageOf } from '../errors.js'
import type { Budget } from '../flow/budget.js'
import type { Meter } from '../flow/meter.js'
import { ChunkBuffers } from './chunk-buffers.js'
import { ChunkList, ChunkSet } from './chunk-list.js'
import type { ChunkStore } from './chunk-store.js'
import { Holding } from './holding.js'
import { Intake } from './intake.js'
import type { Offers } from './offers.js'
import { Schedule } from './schedule.js'
import { Liar, Taking } from './taking.js'

/** More than any model that fits the wire formats; a donor's claim above it is not believed. */
const MOST_BYTES = 2 ** 32
/** Donors and fellows that are asked at a time. */
const MOST_TAKINGS = 12
/** So few chunks are not worth another donor. */
const CHUNKS_PER_DONOR = 4
/** A donor that has not answered by then gets company. */
const HEDGE_MS = 1_000
/** A busy donor is asked again after so long, and so often at most. */
const BUSY = { pauseMs: 1_000, times: 60 } as const
/** When nothing came for so long, fellows' shares are asked for here; and after so long all is given up. */
const SILENCE_MS = { shares: 10_000, most: 45_000 } as const
const TICK_MS = 500

export interface DownloadParts {
  readonly self: PeerId
  readonly meter: Meter
  readonly budget: Budget
  readonly offers: Offers
  /** Connects to a peer, at these addresses besides those known. */
  readonly connect: (peer: PeerId, addresses: readonly string[]) => Promise<Connection>
  /** Whether bytes from this peer leave its cluster for this one. */
  readonly crosses: (peer: PeerId) => boolean
  readonly refused: (from: PeerId, what: string, reason: string) => void
}

/** Where the chunks go. */
export interface Kept {
  readonly store: ChunkStore
  /** Every chunk is there. */
  finish(): Promise<void>
  /** Nobody reads or writes any more. */
  close(): Promise<void>
}

interface Subject {
  readonly run: RunId
  readonly name: BulkName
  readonly what: string
  readonly expected: Hash | null
  readonly donors: readonly PeerId[]
}

/** What is known once a donor has answered. */
interface Begun {
  readonly list: ChunkList
  readonly kept: Kept
  readonly holding: Holding
  readonly schedule: Schedule
  readonly buffers: ChunkBuffers
  readonly intake: Intake
  readonly unshare: () => void
}

export class Download {
  readonly #waiting: PeerId[]
  readonly #takings = new Map<PeerId, Taking>()
  /** Donors and fellows that are being asked, or were. */
  readonly #known = new Set<PeerId>()
  readonly #addresses = new Map<PeerId, readonly string[]>()
  readonly #failures: string[] = []
  #active = 0
  #begun: Promise<Begun> | null = null
  #ready: Begun | null = null
  #heardMs = performance.now()
  #isOver = false
  #finish: () => void = () => {}
  #fail: (error: Error) => void = () => {}
  readonly #done = new Promise<void>((resolve, reject) => {
    this.#finish = resolve
    this.#fail = reject
  })

  constructor(
    private readonly parts: DownloadParts,
    private readonly subject: Subject,
    private readonly keep: (list: ChunkList) => Promise<Kept>,
    private readonly options: FetchOptions,
  ) {
    this.#waiting = [...subject.donors]
    for (const donor of subject.donors) this.#known.add(donor)
    this.#done.catch(() => {})
  }

  /** Resolves when the content is whole and where it belongs. */
  async run(): Promise<void> {
    const ticks = setInterval(() => this.#tick(), TICK_MS)
    const hedge = setTimeout(() => this.#ready === null && this.#askNext(), HEDGE_MS)
    try {
      this.#askNext()
      await this.#done
      await this.#ready?.kept.finish()
    } finally {
      clearInterval(ticks)
      clearTimeout(hedge)
      this.#isOver = true
      for (const taking of this.#takings.values()) taking.end()
      this.#ready?.unshare()
      this.#ready?.holding.end()
      this.#ready?.intake.end()
    }
  }

  fail(error: Error): void {
    this.#fail(error)
  }

  /** Another peer takes this content too. */
  met(content: Hash, peer: PeerId): void {
    if (this.#ready?.list.name !== content || this.#known.has(peer)) return
    this.#consider(peer, [])
  }

  #consider(peer: PeerId, addresses: readonly string[]): void {
    if (peer === this.parts.self || this.#known.has(peer)) return
    this.#known.add(peer)
    this.#addresses.set(peer, addresses)
    this.#waiting.push(peer)
    this.#askMore()
  }

  /** As many at a time as there is use for. */
  #askMore(): void {
    const chunks = this.#ready?.list.count ?? 1
    const useful = Math.min(MOST_TAKINGS, Math.ceil(chunks / CHUNKS_PER_DONOR))
    while (!this.#isOver && this.#active < useful && this.#waiting.length > 0) this.#askNext()
  }

  #askNext(): void {
    const donor = this.#waiting.shift()
    if (donor === undefined || this.#isOver) return
    this.#active++
    this.#askOf(donor)
      .catch((error) => this.#gaveUp(donor, error))
      .finally(() => {
        this.#active--
        if (this.#isOver) return
        if (this.#active === 0 && this.#waiting.length === 0) {
          this.fail(new Error(this.#failures.join('; ')))
        } else if (this.#ready === null) {
          this.#askNext()
        } else {
          this.#askMore()
          for (const taking of this.#takings.values()) taking.pump()
        }
      })
  }

  async #askOf(donor: PeerId): Promise<void> {
    const connection = await this.parts.connect(donor, this.#addresses.get(donor) ?? [])
    for (let times = 0; !this.#isOver; times++) {
      if (await this.#take(donor, connection)) return
      if (times >= BUSY.times) throw new Error('it was busy all the time')
      await pause(BUSY.pauseMs)
    }
  }

  #gaveUp(donor: PeerId, error: unknown): void {
    if (this.#isOver) return
    // Who takes the content itself may come again; it is met then.
    if (!this.subject.donors.includes(donor)) this.#known.delete(donor)
    this.#failures.push(`${donor}: ${messageOf(error)}`)
    if (error instanceof Liar) this.parts.refused(donor, this.subject.what, error.message)
  }

  /** Takes from a donor until all is here; false if it was busy. */
  async #take(donor: PeerId, connection: Connection): Promise<boolean> {
    const { run, name, expected } = this.subject
    const { meter, budget } = this.parts
    const content = this.#ready?.list.name ?? expected
    const list = this.#ready === null
    const taking = await Taking.open(connection, meter, budget)
    this.#takings.set(donor, taking)
    try {
      if (this.#isOver) return true
      const answer = await taking.ask({ run, name, content, list })
      if (!answer.found) {
        if (answer.later) return false
        throw new Error(answer.reason)
      }
      const begun = await this.#begin(answer)
      if (this.#isOver) return true
      this.#join(donor, answer, begun)
      for (const fellow of answer.fellows) this.#consider(fellow.peer, fellow.addresses)
      this.#askMore()
      await taking.run({
        list: begun.list,
        buffers: begun.buffers,
        next: () => this.#next(donor, taking, begun),
        arrived: (index, chunk) => begun.intake.take(index, chunk, () => this.#arrived(donor, index, begun)),
        room: () => begun.intake.room(),
        news: (held) => {
          for (const index of held) begun.schedule.gained(donor, index)
        },
      })
      if (!this.#isOver) throw new Error('it ended before all had come')
      return true
    } finally {
      taking.end()
      this.#takings.delete(donor)
      this.#ready?.schedule.leave(donor)
    }
  }

  /** The list of the first donor that has the right one is everybody's. */
  async #begin(answer: Extract<BulkAnswer, { found: true }>): Promise<Begun> {
    const { expected } = this.subject
    const { atMost = MOST_BYTES } = this.options
    if (answer.bytes > atMost)
      throw new Liar(`it announces ${answer.bytes} bytes, where there can be ${atMost} at most`)
    if (answer.chunks === null) {
      if (this.#begun === null) throw new Liar('it left out the list of chunks')
      return this.#begun
    }
    const list = listFrom(answer.bytes, answer.chunks)
    const wanted = expected ?? this.#ready?.list.name ?? list.name
    if (list.name !== wanted)
      throw new Liar(`its content is ${list.name.slice(0, 12)}..., not ${wanted.slice(0, 12)}...`)
    this.#begun ??= this.#open(list)
    const begun = await this.#begun
    if (begun.list.name !== list.name) throw new Error('it holds other content than the first donor')
    return begun
  }

  async #open(list: ChunkList): Promise<Begun> {
    try {
      const { self, offers } = this.parts
      const kept = await this.keep(list)
      const release = () => void kept.close().catch(() => {})
      const holding = Holding.growing(list, kept.store, release)
      const schedule = new Schedule(self, copyOf(holding.held), Math.random)
      const buffers = new ChunkBuffers(list.chunkBytes)
      const intake = new Intake({
        holding,
        store: kept.store,
        buffers,
        gained: () => this.#progressed(),
        failed: (error) => this.fail(error),
      })
      const begun = { list, kept, holding, schedule, buffers, intake, unshare: offers.share(holding) }
      this.#ready = begun
      this.#heardMs = performance.now()
      this.#progressed()
      return begun
    } catch (error) {
      // The disk, not the donor: no other one would do better.
      this.fail(asError(error))
      throw error
    }
  }

  #join(donor: PeerId, answer: Extract<BulkAnswer, { found: true }>, { list, schedule }: Begun): void {
    if (answer.bytes !== list.bytes)
      throw new Liar(`it speaks of ${answer.bytes} bytes, not of ${list.bytes}`)
    const held = answer.held === null ? ChunkSet.all(list.count) : ChunkSet.from(list.count, answer.held)
    schedule.join(donor, held, !this.parts.crosses(donor))
  }

  #next(donor: PeerId, taking: Taking, { list, schedule, intake }: Begun): number | null {
    if (this.#isOver || intake.isFull) return null
    for (const [peer, other] of this.#takings) {
      const rate = other.rate(list.chunkBytes)
      schedule.measured(peer, rate === null ? null : rate / list.chunkBytes)
    }
    const index = schedule.next(donor)
    if (index !== null) taking.asked(list.size(index))
    return index
  }

  /** The chunk itself: nobody else need bring it. */
  #arrived(donor: PeerId, index: number, { list, schedule }: Begun): void {
    this.#heardMs = performance.now()
    for (const other of schedule.arrived(index)) {
      if (other !== donor) this.#takings.get(other)?.drop(index, list.size(index))
    }
  }

  /** Says how far it is, and ends when all is here. */
  #progressed(): void {
    const { list, holding } = this.#ready as Begun
    const last = list.count - 1
    // The last chunk may be shorter.
    const short = holding.held.has(last) ? list.chunkBytes - list.size(last) : 0
    const bytes = holding.held.size * list.chunkBytes - short
    this.options.progress?.({ bytes, total: list.bytes, donors: this.#takings.size })
    if (holding.held.isFull) this.#finish()
  }

  /** What nobody brings is asked of others; a download that nobody brings anything to ends. */
  #tick(): void {
    const silentMs = performance.now() - this.#heardMs
    if (this.#ready === null) return
    const { schedule } = this.#ready
    if (silentMs > SILENCE_MS.shares && schedule.isIdle) schedule.giveUpShares()
    if (silentMs > SILENCE_MS.most) {
      const reasons = ['nothing came for too long', ...this.#failures]
      return this.fail(new Error(reasons.join('; ')))
    }
    for (const taking of this.#takings.values()) taking.pump()
  }
}

function listFrom(bytes: number, packed: Uint8Array): ChunkList {
  try {
    return ChunkList.from(bytes, packed)
  } catch (error) {
    throw new Liar(messageOf(error))
  }
}

const copyOf = (set: ChunkSet): ChunkSet => ChunkSet.from(set.count, set.packed())
