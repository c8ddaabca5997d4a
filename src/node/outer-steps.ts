// The outer state as its thread holds it: takes steps on it, digests it, and keeps the slots of recent versions.
import type { Hash, Version } from '../core/ids.js'
import { merge, mergedSlot, unreported } from '../outer/merge.js'
import { type OuterOptimizer, type OuterState, type OuterStep, outerOptimizer } from '../outer/optimizer.js'
import { checkFinite, digestsOf, type OuterRules, type StateDigests } from '../outer/snapshot.js'
import { contentName } from '../platform/content-name.js'
import { sha256 } from '../platform/sha256.js'
import { bytesUnder } from '../store/safetensors.js'
import { checkLength } from '../tensor/blocks.js'
import type { Codec, CodecName } from '../tensor/codec.js'
import { firstNonFinite, norm } from '../tensor/vector.js'
import { cutOf } from '../wire/chunks.js'
import {
  type Calls,
  type CodedPayload,
  type CodedReport,
  type MadeVersion,
  notHeld,
  type OwnState,
  type OwnVector,
  statesKept,
} from './outer-calls.js'
import { OuterVectors, type Place } from './outer-vectors.js'
import { sliceValues } from './slices.js'

/** Where the pseudo-gradient comes in, and zeros that are never written. */
const inboxPlace: Place = 0
const zerosPlace: Place = 1
const fixedPlaces = [inboxPlace, zerosPlace]
/** A step writes theta and at most one slot: others it leaves, or sets to zeros. */
const writtenPlaces = 2

/** A vector that does not change, and its digest once it was asked for. */
interface Vector {
  readonly place: Place
  digest: Hash | null
}

interface Slots {
  readonly phase: number
  readonly vectors: Readonly<Record<string, Vector>>
}

interface State {
  readonly version: Version
  readonly theta: Vector
  readonly slots: Slots
}

interface Held {
  readonly vectors: OuterVectors
  readonly zeros: Vector
  readonly newest: State
}

export class OuterSteps {
  readonly #optimizer: OuterOptimizer
  readonly #slotNames: readonly string[]
  #held: Held | null = null
  /** Of recent versions, oldest first, by their state digest: a version may come again in another history. */
  readonly #slots = new Map<Hash, Slots>()
  /** Memory for the thetas of later versions: memory that is new costs more than the step. */
  #spare: OwnVector[] = []

  /**
   * @param codecs that the run allows
   * @param compiled from compileOuterKernels
   * @param partLength of OuterVectors; a parameter so that tests can make it small
   */
  constructor(
    private readonly rules: OuterRules,
    private readonly codecs: ReadonlyMap<CodecName, Codec>,
    private readonly compiled: WebAssembly.Module,
    private readonly partLength?: number,
  ) {
    this.#optimizer = outerOptimizer(rules.outer.method)
    const { slots } = this.#optimizer
    this.#slotNames = rules.hierarchy === undefined ? slots : [...slots, mergedSlot]
  }

  /** Where the next pseudo-gradient is to be written, part by part, fp32 as it lies in memory. */
  get inbox(): readonly Uint8Array[] {
    return this.#installed().vectors.views(inboxPlace).map(bytesUnder)
  }

  /**
   * Goes on from a state in place of what is held. Slots that are not given are zeros.
   *
   * @param outer is copied
   * @param expected what its state digest must be; null takes any
   * @throws Error if it has another digest or is no state of this method; what was held then stays
   */
  install(outer: OwnState, version: Version, expected: Hash | null): MadeVersion {
    this.#checkSlots(outer)
    const { theta, phase } = outer
    const { vectors, zeros } =
      this.#held?.vectors.length === theta.length ? this.#held : this.#open(theta.length)
    const given = Object.entries(outer.slots)
    const placed = given.map(([name, values], i): [string, Vector] => [
      name,
      { place: fixedPlaces.length + 1 + i, digest: digestOf(values) },
    ])
    const unset = this.#slotNames.map((name): [string, Vector] => [name, zeros])
    const newest: State = {
      version,
      theta: { place: fixedPlaces.length, digest: digestOf(theta) },
      slots: { phase, vectors: Object.fromEntries([...unset, ...placed]) },
    }
    const digests = digestsIn(vectors, newest)
    if (expected !== null && digests.stateDigest !== expected)
      throw new Error(`its digest is ${digests.stateDigest}, not ${expected}`)

    vectors.write(newest.theta.place, theta)
    for (const [name, values] of given) vectors.write(newest.slots.vectors[name].place, values)
    this.#slots.clear()
    this.#hold({ vectors, zeros, newest }, digests)
    return { theta, phase, ...digests }
  }

  /**
   * The outer step of a pseudo-gradient.
   *
   * @throws Error if the version before is not the newest, or the payload is another or is not of its codec
   * @throws VersionBroken if the step leads to values that are no finite numbers; what is held then stays
   */
  apply({ version, payload, coded, weight, spare }: Calls['apply']['takes']): MadeVersion {
    if (spare !== null) this.#spare.push(spare)
    const { vectors, zeros, newest } = this.#installed()
    if (newest.version !== version - 1) throw notHeld(version - 1)
    const digest = coded === null ? vectors.digest(inboxPlace) : contentName(coded.bytes)
    if (digest !== payload) throw new Error(`the payload does not match its hash ${payload}`)
    if (coded !== null) this.#decode(vectors, coded)

    const step = this.#optimizer.step(newest.slots.phase, weight, this.rules.outer)
    const [theta, written] = this.#free(newest).map((place): Vector => ({ place, digest: null }))
    const { momentum, buffer } = { momentum: zeros, buffer: zeros, ...newest.slots.vectors }
    const next: State = { version, theta, slots: slotsAfter(step, newest.slots, written, zeros) }
    const finite = vectors.take(step, {
      theta: newest.theta.place,
      g: inboxPlace,
      momentum: momentum.place,
      buffer: buffer.place,
      newTheta: theta.place,
      newSlot: written.place,
    })
    if (!finite) checkFinite(copyOf(vectors, next), version)
    const values = vectors.read(theta.place, this.#spare.pop() ?? new Float32Array(vectors.length))
    const digests = digestsIn(vectors, next)
    this.#hold({ vectors, zeros, newest: next }, digests)
    return { theta: values, phase: next.slots.phase, ...digests }
  }

  /**
   * Takes in the theta of a swarm above, by the plain rule: it is rare.
   *
   * @param sent what was reported and applied there since the last time; null if nothing was
   * @throws as `apply`
   */
  merge(version: Version, above: Float32Array, sent: CodedPayload | null): MadeVersion {
    const { vectors, zeros, newest } = this.#installed()
    const { hierarchy } = this.rules
    if (newest.version !== version - 1) throw notHeld(version - 1)
    if (hierarchy === undefined) throw new Error('there is no swarm above')
    if (above.length !== vectors.length)
      throw new Error(`it has ${above.length} values, theta ${vectors.length}`)
    const reported = sent === null ? null : this.#codec(sent.codec).decode(sent.bytes, vectors.length)
    const next = merge(this.#reckoned(), above, reported, hierarchy)
    checkFinite(next, version)
    const [theta, merged] = this.#free(newest).map((place): Vector => ({ place, digest: null }))
    vectors.write(theta.place, next.theta)
    vectors.write(merged.place, next.slots[mergedSlot])
    const { phase, vectors: others } = newest.slots
    const made: State = { version, theta, slots: { phase, vectors: { ...others, [mergedSlot]: merged } } }
    const digests = digestsIn(vectors, made)
    this.#hold({ vectors, zeros, newest: made }, digests)
    return { theta: copyAt(vectors, theta.place), phase, ...digests }
  }

  /**
   * What the cluster has moved by the newest version and not reported, coded. What coding loses is reported with the
   * next.
   *
   * @throws Error if that is no finite number somewhere
   */
  report(name: CodecName): CodedReport {
    const moved = unreported(this.#reckoned())
    const bad = firstNonFinite(moved)
    if (bad >= 0) throw new Error(`what the cluster moved is ${moved[bad]} at parameter ${bad}`)
    const codec = this.#codec(name)
    const payload = codec.encode(moved)
    return { payload, cut: cutOf(payload, sha256), norm: norm(codec.decode(payload, moved.length)) }
  }

  /** Copies of theta and of where the cluster counts from. */
  #reckoned(): OuterState {
    const { vectors, newest } = this.#installed()
    const { phase, vectors: slots } = newest.slots
    const merged = slots[mergedSlot]
    if (merged === undefined) throw new Error('there is no swarm above')
    return {
      theta: copyAt(vectors, newest.theta.place),
      slots: { [mergedSlot]: copyAt(vectors, merged.place) },
      phase,
    }
  }

  /** Floats of theta. */
  get length(): number {
    return this.#installed().vectors.length
  }

  /** Copies of a state's slots; null where they are not kept any more. */
  slotsOf(stateDigest: Hash): OwnState['slots'] | null {
    const slots = this.#slots.get(stateDigest)
    return slots === undefined ? null : slotCopies(this.#installed().vectors, slots)
  }

  /** Makes memory ready for the next step, where there is time for it. */
  prepare(): void {
    if (this.#held === null || this.#spare.length > 0) return
    // Written to, for the system gives it only then.
    this.#spare.push(new Float32Array(this.#held.vectors.length).fill(0))
  }

  #decode(vectors: OuterVectors, { codec: name, bytes }: CodedPayload): void {
    const codec = this.#codec(name)
    checkLength(name, bytes, vectors.length, codec.encodedBytes(vectors.length))
    for (let from = 0; from < vectors.length; from += sliceValues) {
      const to = Math.min(from + sliceValues, vectors.length)
      const slice = bytes.subarray(codec.encodedBytes(from), codec.encodedBytes(to))
      vectors.write(inboxPlace, codec.decode(slice, to - from), from)
    }
  }

  #codec(name: CodecName): Codec {
    const codec = this.codecs.get(name)
    if (codec === undefined) throw new Error(`${name} is not a codec of this run`)
    return codec
  }

  #installed(): Held {
    if (this.#held === null) throw new Error('no outer state is installed')
    return this.#held
  }

  #open(length: number): Omit<Held, 'newest'> {
    // Of the states kept the oldest may have all its slots for itself, every later one has the one it wrote.
    const slots = this.#slotNames.length + statesKept - 1
    const places = fixedPlaces.length + 1 + slots + writtenPlaces
    this.#spare = []
    const vectors = new OuterVectors(length, places, this.compiled, this.partLength)
    return { vectors, zeros: { place: zerosPlace, digest: null } }
  }

  #checkSlots({ theta, slots }: OwnState): void {
    for (const [name, { length }] of Object.entries(slots)) {
      if (!this.#slotNames.includes(name)) throw new Error(`${this.#optimizer.name} has no slot ${name}`)
      if (length !== theta.length)
        throw new Error(`the slot ${name} has ${length} values, theta ${theta.length}`)
    }
  }

  #hold(held: Held, { stateDigest }: StateDigests): void {
    this.#held = held
    this.#slots.set(stateDigest, held.newest.slots)
    for (const old of this.#slots.keys()) {
      if (this.#slots.size <= statesKept) break
      this.#slots.delete(old)
    }
  }

  /** Places for what a step writes: the first that nothing kept is in. */
  #free(newest: State): Place[] {
    const used = new Set([...fixedPlaces, newest.theta.place])
    for (const { vectors } of this.#slots.values())
      for (const { place } of Object.values(vectors)) used.add(place)
    const free: Place[] = []
    for (let place = 0; free.length < writtenPlaces; place++) if (!used.has(place)) free.push(place)
    return free
  }
}

/** What a step makes of the slots: `written` is the one that its kernel writes. Others stay as they are. */
function slotsAfter(step: OuterStep, { phase, vectors }: Slots, written: Vector, zeros: Vector): Slots {
  switch (step.rule) {
    case 'sgd':
      return { phase: 0, vectors }
    case 'nesterov':
      return { phase: 0, vectors: { ...vectors, momentum: written } }
    case 'between-milestones':
      return { phase: phase + 1, vectors: { ...vectors, buffer: written } }
    case 'milestone':
      return { phase: 0, vectors: { ...vectors, momentum: written, buffer: zeros } }
  }
}

const copyOf = (vectors: OuterVectors, { theta, slots }: State): OwnState => ({
  theta: copyAt(vectors, theta.place),
  slots: slotCopies(vectors, slots),
  phase: slots.phase,
})

const slotCopies = (vectors: OuterVectors, slots: Slots): OwnState['slots'] =>
  Object.fromEntries(Object.entries(slots.vectors).map(([name, { place }]) => [name, copyAt(vectors, place)]))

const copyAt = (vectors: OuterVectors, place: Place) => vectors.read(place, new Float32Array(vectors.length))

/** Digests of vectors that did not change since are not computed again. */
function digestsIn(vectors: OuterVectors, { version, theta, slots }: State): StateDigests {
  const digest = (vector: Vector): Hash => {
    vector.digest ??= vectors.digest(vector.place)
    return vector.digest
  }
  const ofSlots = Object.entries(slots.vectors).map(([name, vector]) => [name, digest(vector)] as const)
  return digestsOf(version, slots.phase, digest(theta), Object.fromEntries(ofSlots), sha256)
}

/** As digestVector of src/tensor/digest.ts, without the copy: fp32 travels as it lies in memory. */
const digestOf = (values: Float32Array): Hash => contentName(bytesUnder(values))
