// The outer states that a thread holds, and where their vectors lie: the newest, and the slots of a few before it.
import type { Hash, Version } from '../core/ids.js'
import { digestsOf, type StateDigests } from '../outer/snapshot.js'
import { sha256 } from '../platform/sha256.js'
import { type OwnState, type OwnVector, statesKept } from './outer-calls.js'
import type { OuterVectors, Place } from './outer-vectors.js'

/** Where the pseudo-gradient comes in, and zeros that are never written. */
export const inboxPlace: Place = 0
export const zerosPlace: Place = 1
export const fixedPlaces: readonly Place[] = [inboxPlace, zerosPlace]
/** A step writes theta and at most two slots: one by its kernel, one where a fragment of it becomes zeros. */
export const writtenPlaces = 3

/** A vector that does not change, and its digest once it was asked for. */
export interface Vector {
  readonly place: Place
  digest: Hash | null
}

export interface Slots {
  readonly phases: readonly number[]
  readonly vectors: Readonly<Record<string, Vector>>
}

export interface State {
  readonly version: Version
  readonly theta: Vector
  readonly slots: Slots
}

export class HeldStates {
  #newest: State
  /** Of recent versions, oldest first, by their state digest: a version may come again in another history. */
  readonly #slots = new Map<Hash, Slots>()

  constructor(
    readonly vectors: OuterVectors,
    readonly zeros: Vector,
    first: State,
    digests: StateDigests,
  ) {
    this.#newest = first
    this.#slots.set(digests.stateDigest, first.slots)
  }

  get newest(): State {
    return this.#newest
  }

  /** Goes on to the state after the newest. */
  take(next: State, { stateDigest }: StateDigests): void {
    this.#newest = next
    this.#slots.set(stateDigest, next.slots)
    for (const old of this.#slots.keys()) {
      if (this.#slots.size <= statesKept) break
      this.#slots.delete(old)
    }
  }

  /** For what a step writes: the first places that nothing kept is in. */
  free(): Vector[] {
    const used = new Set([...fixedPlaces, this.#newest.theta.place])
    for (const { vectors } of this.#slots.values())
      for (const { place } of Object.values(vectors)) used.add(place)
    const free: Vector[] = []
    for (let place = 0; free.length < writtenPlaces; place++)
      if (!used.has(place)) free.push({ place, digest: null })
    return free
  }

  copyOf({ theta, slots }: State): OwnState {
    return { theta: this.copyAt(theta.place), slots: this.#slotCopies(slots), phases: slots.phases }
  }

  copyAt(place: Place): OwnVector {
    return this.vectors.read(place, new Float32Array(this.vectors.length))
  }

  /** Copies of a state's slots; null where they are not kept any more. */
  slotsOf(stateDigest: Hash): OwnState['slots'] | null {
    const slots = this.#slots.get(stateDigest)
    return slots === undefined ? null : this.#slotCopies(slots)
  }

  #slotCopies({ vectors }: Slots): OwnState['slots'] {
    const copies = Object.entries(vectors).map(([name, { place }]) => [name, this.copyAt(place)])
    return Object.fromEntries(copies)
  }
}

/** Digests of vectors that did not change since are not computed again. */
export function digestsIn(vectors: OuterVectors, { version, theta, slots }: State): StateDigests {
  const digest = (vector: Vector): Hash => {
    vector.digest ??= vectors.digest(vector.place)
    return vector.digest
  }
  const ofSlots = Object.entries(slots.vectors).map(([name, vector]) => [name, digest(vector)] as const)
  return digestsOf(version, slots.phases, digest(theta), Object.fromEntries(ofSlots), sha256)
}
