// Which chunk is asked of which donor, decided without a network or a clock. A donor is asked for the chunk that the
// fewest others hold, so that those who take the same content soon differ in what they can give each other. Donors of
// other clusters are asked only for what no donor of the own cluster holds; and of that each of those who take the content
// in this cluster asks for a share of its own (chunk number modulo their number, in the order of their ids), so that a
// chunk crosses the slow link once and goes round inside. Towards the end a chunk that is asked of a slow donor is also
// asked of one that would bring it in less than half the time; such duplicates are few.
import type { PeerId } from '../../core/ids.js'
import type { ChunkSet } from './chunk-list.js'

/** Chunks asked for twice: always so many, and this share of all. */
const DUPLICATES = { least: 2, share: 0.03 } as const

interface Donor {
  readonly held: ChunkSet
  readonly isNear: boolean
  /** It takes the content itself. */
  readonly isFellow: boolean
  /** Chunks asked of it that have not come, in the order of asking. */
  readonly asked: number[]
  /** Chunks per second, as far as it is known. */
  rate: number | null
}

export class Schedule {
  readonly #held: ChunkSet
  readonly #donors = new Map<PeerId, Donor>()
  /** Of whom each chunk is asked. */
  readonly #askers: Set<PeerId>[]
  /** Holders among the donors. */
  readonly #holders: number[]
  /** The order in which this peer takes what is equally rare: its own, so that others take other chunks first. */
  readonly #order: readonly number[]
  #duplicates = 0
  #shares = true

  /**
   * @param held already here; kept up by `arrived`
   * @param random in [0, 1), for the order
   */
  constructor(
    private readonly self: PeerId,
    held: ChunkSet,
    random: () => number,
  ) {
    this.#held = held
    this.#askers = Array.from({ length: held.count }, () => new Set())
    this.#holders = new Array<number>(held.count).fill(0)
    this.#order = shuffled(held.count, random)
  }

  get isComplete(): boolean {
    return this.#held.isFull
  }

  /** Nothing is asked of anybody. */
  get isIdle(): boolean {
    for (const { asked } of this.#donors.values()) if (asked.length > 0) return false
    return true
  }

  join(peer: PeerId, held: ChunkSet, isNear: boolean): void {
    this.leave(peer)
    this.#donors.set(peer, { held, isNear, isFellow: !held.isFull, asked: [], rate: null })
    for (let index = 0; index < held.count; index++) if (held.has(index)) this.#holders[index]++
  }

  /** What was asked of it is asked of others. */
  leave(peer: PeerId): void {
    const donor = this.#donors.get(peer)
    if (donor === undefined) return
    this.#donors.delete(peer)
    for (const index of donor.asked) this.#askers[index].delete(peer)
    for (let index = 0; index < donor.held.count; index++) if (donor.held.has(index)) this.#holders[index]--
  }

  /** A donor has got a chunk. */
  gained(peer: PeerId, index: number): void {
    const donor = this.#donors.get(peer)
    if (donor === undefined || index >= donor.held.count || donor.held.has(index)) return
    donor.held.add(index)
    this.#holders[index]++
  }

  /** Chunks that a donor brings per second, null while that is unknown. */
  measured(peer: PeerId, rate: number | null): void {
    const donor = this.#donors.get(peer)
    if (donor !== undefined) donor.rate = rate
  }

  /** A fellow does not bring its share: from now on this peer asks other clusters for everything that it lacks. */
  giveUpShares(): void {
    this.#shares = false
  }

  /** The chunk to ask of a donor now; null for none. It then counts as asked. */
  next(peer: PeerId): number | null {
    const donor = this.#donors.get(peer)
    if (donor === undefined) return null
    const index = this.#rarest(donor) ?? this.#duplicate(peer, donor)
    if (index === null) return null
    if (this.#askers[index].size > 0) this.#duplicates++
    this.#askers[index].add(peer)
    donor.asked.push(index)
    return index
  }

  /** A chunk is here. @returns other donors of which it is asked, and need not be any more */
  arrived(index: number): readonly PeerId[] {
    this.#held.add(index)
    const askers = [...this.#askers[index]]
    for (const peer of askers) this.#withdraw(peer, index)
    return askers
  }

  /** The donor will not bring this chunk. */
  #withdraw(peer: PeerId, index: number): void {
    this.#askers[index].delete(peer)
    const asked = this.#donors.get(peer)?.asked ?? []
    const at = asked.indexOf(index)
    if (at >= 0) asked.splice(at, 1)
  }

  #rarest(donor: Donor): number | null {
    let best: number | null = null
    const owners = donor.isNear ? null : this.#owners()
    for (const index of this.#order) {
      if (this.#held.has(index) || this.#askers[index].size > 0 || !donor.held.has(index)) continue
      if (owners !== null && !this.#mayCross(index, owners)) continue
      if (best === null || this.#holders[index] < this.#holders[best]) best = index
    }
    return best
  }

  #mayCross(index: number, owners: readonly PeerId[]): boolean {
    for (const { isNear, held } of this.#donors.values()) if (isNear && held.has(index)) return false
    return !this.#shares || owners[index % owners.length] === this.self
  }

  /** Who takes this content in this cluster. */
  #owners(): readonly PeerId[] {
    const fellows = [...this.#donors].filter(([, { isNear, isFellow }]) => isNear && isFellow)
    return [this.self, ...fellows.map(([peer]) => peer)].sort()
  }

  /** The chunk whose only asker would bring it latest, where this donor would do so in half the time. */
  #duplicate(peer: PeerId, donor: Donor): number | null {
    if (donor.rate === null) return null
    if (this.#duplicates >= DUPLICATES.least + DUPLICATES.share * this.#held.count) return null
    const mineIn = (donor.asked.length + 1) / donor.rate
    let best: number | null = null
    let latest = 2 * mineIn
    for (const [other, { asked, rate, isNear }] of this.#donors) {
      // What comes from the own cluster does not cross the link a second time.
      if (other === peer || (isNear && !donor.isNear)) continue
      for (const [position, index] of asked.entries()) {
        if (this.#askers[index].size > 1 || !donor.held.has(index)) continue
        const theirsIn = (position + 1) / (rate ?? Number.MIN_VALUE)
        if (theirsIn <= latest) continue
        best = index
        latest = theirsIn
      }
    }
    return best
  }
}

function shuffled(count: number, random: () => number): number[] {
  const order = Array.from({ length: count }, (_, index) => index)
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[order[i], order[j]] = [order[j], order[i]]
  }
  return order
}
