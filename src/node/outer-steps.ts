// The steps of the outer thread on the state that it holds: outer steps, merges, and what is reported of them.
import type { Hash, Version } from '../core/ids.js'
import { fragmentCount, type WholeState, withPhase } from '../outer/fragments.js'
import { merge, mergedSlot, unreported } from '../outer/merge.js'
import { type OuterOptimizer, type OuterStep, outerOptimizer } from '../outer/optimizer.js'
import { checkFinite, type OuterRules } from '../outer/snapshot.js'
import { contentName } from '../platform/content-name.js'
import { sha256 } from '../platform/sha256.js'
import { bytesUnder } from '../store/safetensors.js'
import { checkLength } from '../tensor/blocks.js'
import { type Codec, type CodecName, codecNamed } from '../tensor/codec.js'
import { type Fragment, fragmentAt, lengthOf } from '../tensor/fragments.js'
import { firstNonFinite, norm } from '../tensor/vector.js'
import { cutOf } from '../wire/chunks.js'
import {
  digestsIn,
  fixedPlaces,
  HeldStates,
  inboxPlace,
  type Slots,
  type State,
  type Vector,
  writtenPlaces,
  zerosPlace,
} from './held-states.js'
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
import { OuterVectors } from './outer-vectors.js'
import { sliceValues } from './slices.js'

export class OuterSteps {
  readonly #optimizer: OuterOptimizer
  readonly #slotNames: readonly string[]
  #held: HeldStates | null = null
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
    const { theta, phases } = outer
    const { vectors, zeros } =
      this.#held?.vectors.length === theta.length ? this.#held : this.#open(theta.length)
    const given = Object.entries(outer.slots)
    const placed = given.map(([name, values], i): [string, Vector] => [
      name,
      { place: fixedPlaces.length + 1 + i, digest: digestOf(values) },
    ])
    const unset = this.#slotNames.map((name): [string, Vector] => [name, zeros])
    const state: State = {
      version,
      theta: { place: fixedPlaces.length, digest: digestOf(theta) },
      slots: { phases, vectors: Object.fromEntries([...unset, ...placed]) },
    }
    const digests = digestsIn(vectors, state)
    if (expected !== null && digests.stateDigest !== expected)
      throw new Error(`its digest is ${digests.stateDigest}, not ${expected}`)

    vectors.write(state.theta.place, theta)
    for (const [name, values] of given) vectors.write(state.slots.vectors[name].place, values)
    this.#held = new HeldStates(vectors, zeros, state, digests)
    return { theta, phases, ...digests }
  }

  /**
   * The outer step of a pseudo-gradient.
   *
   * @throws Error if the version before is not the newest, or the payload is another or is not of its codec
   * @throws VersionBroken if the step leads to values that are no finite numbers; what is held then stays
   */
  apply({
    version,
    payload,
    coded,
    fragment: index = 0,
    weight,
    spare,
  }: Calls['apply']['takes']): MadeVersion {
    if (spare !== null) this.#spare.push(spare)
    const held = this.#installed()
    const { vectors, zeros, newest } = held
    if (newest.version !== version - 1) throw notHeld(version - 1)
    const digest = coded === null ? vectors.digest(inboxPlace) : contentName(coded.bytes)
    if (digest !== payload) throw new Error(`the payload does not match its hash ${payload}`)
    const { phases } = newest.slots
    const fragment = fragmentAt(vectors.length, phases.length, index)
    if (coded !== null) this.#decode(vectors, coded, fragment)

    const step = this.#optimizer.step(phases[index], weight, this.rules.outer)
    const [theta, written, cleared] = held.free()
    const { momentum, buffer } = { momentum: zeros, buffer: zeros, ...newest.slots.vectors }
    const isWhole = phases.length === 1
    if (!isWhole) {
      // What is not of the fragment stays.
      vectors.copy(newest.theta.place, theta.place)
      if (step.rule !== 'sgd')
        vectors.copy((step.rule === 'between-milestones' ? buffer : momentum).place, written.place)
      if (step.rule === 'milestone') {
        vectors.copy(buffer.place, cleared.place)
        vectors.clear(cleared.place, fragment)
      }
    }
    const slots = slotsAfter(step, newest.slots, index, written, isWhole ? zeros : cleared)
    const next: State = { version, theta, slots }
    const places = {
      theta: newest.theta.place,
      g: inboxPlace,
      momentum: momentum.place,
      buffer: buffer.place,
      newTheta: theta.place,
      newSlot: written.place,
    }
    const finite = vectors.take(step, places, fragment)
    if (!finite) checkFinite(held.copyOf(next), version)
    const values = vectors.read(theta.place, this.#spare.pop() ?? new Float32Array(vectors.length))
    const digests = digestsIn(vectors, next)
    held.take(next, digests)
    return { theta: values, phases: slots.phases, ...digests }
  }

  /**
   * Takes in the theta of a swarm above, by the plain rule: it is rare.
   *
   * @throws as `apply`
   */
  merge({ version, above, sent, afresh }: Calls['merge']['takes']): MadeVersion {
    const held = this.#installed()
    const { vectors, newest } = held
    const { hierarchy } = this.rules
    if (newest.version !== version - 1) throw notHeld(version - 1)
    if (hierarchy === undefined) throw new Error('there is no swarm above')
    if (above.length !== vectors.length)
      throw new Error(`it has ${above.length} values, theta ${vectors.length}`)
    const reported =
      sent === null ? null : codecNamed(this.codecs, sent.codec).decode(sent.bytes, vectors.length)
    const rule = afresh ? { ...hierarchy, carry: false } : hierarchy
    const next = merge(this.#reckoned(), above, reported, rule)
    checkFinite(next, version)
    const [theta, merged] = held.free()
    vectors.write(theta.place, next.theta)
    vectors.write(merged.place, next.slots[mergedSlot])
    const { phases, vectors: others } = newest.slots
    const made: State = { version, theta, slots: { phases, vectors: { ...others, [mergedSlot]: merged } } }
    const digests = digestsIn(vectors, made)
    held.take(made, digests)
    return { theta: held.copyAt(theta.place), phases, ...digests }
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
    const codec = codecNamed(this.codecs, name)
    const payload = codec.encode(moved)
    return { payload, cut: cutOf(payload, sha256), norm: norm(codec.decode(payload, moved.length)) }
  }

  /** Copies of theta and of where the cluster counts from. */
  #reckoned(): WholeState {
    const held = this.#installed()
    const { theta, slots } = held.newest
    const merged = slots.vectors[mergedSlot]
    if (merged === undefined) throw new Error('there is no swarm above')
    return {
      theta: held.copyAt(theta.place),
      slots: { [mergedSlot]: held.copyAt(merged.place) },
      phases: slots.phases,
    }
  }

  /** Floats of theta. */
  get length(): number {
    return this.#installed().vectors.length
  }

  /** Copies of a state's slots; null where they are not kept any more. */
  slotsOf(stateDigest: Hash): OwnState['slots'] | null {
    return this.#held?.slotsOf(stateDigest) ?? null
  }

  /** Makes memory ready for the next step, where there is time for it. */
  prepare(): void {
    if (this.#held === null || this.#spare.length > 0) return
    // Written to, for the system gives it only then.
    this.#spare.push(new Float32Array(this.#held.vectors.length).fill(0))
  }

  #decode(vectors: OuterVectors, { codec: name, bytes }: CodedPayload, fragment: Fragment): void {
    const codec = codecNamed(this.codecs, name)
    const length = lengthOf(fragment)
    checkLength(name, bytes, length, codec.encodedBytes(length))
    for (let from = 0; from < length; from += sliceValues) {
      const to = Math.min(from + sliceValues, length)
      const slice = bytes.subarray(codec.encodedBytes(from), codec.encodedBytes(to))
      vectors.write(inboxPlace, codec.decode(slice, to - from), fragment.start + from)
    }
  }

  #installed(): HeldStates {
    if (this.#held === null) throw new Error('no outer state is installed')
    return this.#held
  }

  #open(length: number): Pick<HeldStates, 'vectors' | 'zeros'> {
    // Of the states kept the oldest may have all its slots for itself, every later one has those that it wrote.
    const slotsWritten = fragmentCount(this.rules) === 1 ? 1 : 2
    const slots = this.#slotNames.length + (statesKept - 1) * slotsWritten
    const places = fixedPlaces.length + 1 + slots + writtenPlaces
    this.#spare = []
    const vectors = new OuterVectors(length, places, this.compiled, this.partLength)
    return { vectors, zeros: { place: zerosPlace, digest: null } }
  }

  #checkSlots({ theta, slots, phases }: OwnState): void {
    const count = fragmentCount(this.rules)
    if (phases.length !== count)
      throw new Error(`it has phases of ${phases.length} fragments, the run has ${count}`)
    for (const [name, { length }] of Object.entries(slots)) {
      if (!this.#slotNames.includes(name)) throw new Error(`${this.#optimizer.name} has no slot ${name}`)
      if (length !== theta.length)
        throw new Error(`the slot ${name} has ${length} values, theta ${theta.length}`)
    }
  }
}

/**
 * What a step on a fragment makes of the slots: `written` is the one that its kernel writes, `cleared` the buffer with
 * zeros there. Others stay as they are.
 */
function slotsAfter(
  step: OuterStep,
  { phases, vectors }: Slots,
  fragment: number,
  written: Vector,
  cleared: Vector,
): Slots {
  const at = (phase: number) => withPhase(phases, fragment, phase)
  switch (step.rule) {
    case 'sgd':
      return { phases: at(0), vectors }
    case 'nesterov':
      return { phases: at(0), vectors: { ...vectors, momentum: written } }
    case 'between-milestones':
      return { phases: at(phases[fragment] + 1), vectors: { ...vectors, buffer: written } }
    case 'milestone':
      return { phases: at(0), vectors: { ...vectors, momentum: written, buffer: cleared } }
  }
}

/** As digestVector of src/tensor/digest.ts, without the copy: fp32 travels as it lies in memory. */
const digestOf = (values: Float32Array): Hash => contentName(bytesUnder(values))
