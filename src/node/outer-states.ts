// The versions a replica holds: a thread of its own takes the outer step of each applied contribution, and hands over
// the theta that it leads to.
import type { CodecName } from '../core/codec-names.js'
import type { ApplyEntry } from '../core/entries.js'
import type { Hash, Version } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import { fragmentCount } from '../outer/fragments.js'
import { mergedSlot } from '../outer/merge.js'
import type { Snapshot, StateDigests } from '../outer/snapshot.js'
import { bytesUnder } from '../store/safetensors.js'
import {
  type Calls,
  type CodedPayload,
  type CodedReport,
  type Installed,
  type MadeVersion,
  notHeld,
  type OuterSetup,
  type OwnVector,
  statesKept,
} from './outer-calls.js'
import { OuterThread, outerProgram } from './outer-thread.js'
import { copiedBytes, copiedVector, copyInSlices } from './slices.js'

/** Parameters of this many versions are kept for workers that start from them. */
const thetasKept = 6

interface Theta {
  readonly values: Float32Array
  /** Its memory, while nobody was given it: it is then used again for a later version. */
  own: OwnVector | null
}

/** What belongs to a version beside its vectors. */
interface Held extends StateDigests {
  readonly ledger: LedgerState
  readonly phases: readonly number[]
}

/**
 * Calls that change what is held are carried out in the order in which they are made. All of them reject with
 * OuterThreadDied once the thread died; thetas stay.
 */
export class OuterStates {
  readonly #thetas = new Map<Version, Theta>()
  readonly #held = new Map<Version, Held>()
  #thread: OuterThread | null = null
  #inbox: readonly Uint8Array[] | null = null
  #newest: Version | null = null
  #spare: OwnVector | null = null
  #closed = false
  #last: Promise<unknown> = Promise.resolve()

  /** @param entry what the thread runs; a parameter so that tests can run one that dies */
  constructor(
    private readonly setup: OuterSetup,
    private readonly entry: URL = outerProgram,
  ) {}

  /** The state of a new run. */
  found(theta: Float32Array, ledger: LedgerState): Promise<StateDigests> {
    const slots: Snapshot['outer']['slots'] =
      this.setup.hierarchy === undefined ? {} : { [mergedSlot]: theta }
    return this.#inTurn(() =>
      this.#install(
        { theta, slots, phases: new Array<number>(fragmentCount(this.setup)).fill(0) },
        ledger,
        null,
      ),
    )
  }

  /**
   * Goes on from a snapshot in place of whatever is held. It is copied, and must not change meanwhile.
   *
   * @throws Error if its vectors do not have the state digest that it says, or it is of another method; what was held
   *   then stays
   */
  install({ outer, ledger, stateDigest }: Snapshot): Promise<StateDigests> {
    return this.#inTurn(() => this.#install(outer, ledger, stateDigest))
  }

  /**
   * The same of a snapshot as `encoded` gives it.
   *
   * @throws Error if the bytes are no snapshot, or not that of this digest; what was held then stays
   */
  receive(bytes: Uint8Array, stateDigest: Hash): Promise<{ readonly ledger: LedgerState } & StateDigests> {
    return this.#inTurn(async () => {
      const takes = { bytes: await copiedBytes(bytes), expected: stateDigest }
      const { ledger, ...installed } = await this.#running().call('receive', takes, [takes.bytes.buffer])
      return { ledger, ...this.#begin(installed, ledger) }
    })
  }

  /**
   * The outer step of a committed entry.
   *
   * @param ledger after the entry
   * @param payload the entry's pseudo-gradient by its codec; must not change before the promise resolves
   * @throws Error if the version before is not the newest, or the payload is not its
   * @throws VersionBroken if the step leads to values that are no finite numbers
   */
  apply(
    { payload: hash, codec, fragment = 0, weight }: ApplyEntry,
    ledger: LedgerState,
    payload: Uint8Array,
  ): Promise<StateDigests> {
    return this.#inTurn(async () => {
      const { version } = ledger
      const inbox = this.#inbox
      if (inbox === null || this.#newest !== version - 1) throw notHeld(version - 1)
      let coded: CodedPayload | null = null
      // What lies in the payload as it does in memory goes where it is needed; anything else the thread decodes.
      if (codec === 'fp32' && fragmentCount(this.setup) === 1) await copyToParts(payload, inbox)
      else coded = { codec, bytes: await copiedBytes(payload) }
      const spare = this.#spare
      this.#spare = null
      const takes = { version, payload: hash, coded, fragment, weight, spare }
      const transfer = [spare, coded?.bytes].flatMap((array) => (array ? [array.buffer as ArrayBuffer] : []))
      return this.#hold(await this.#running().call('apply', takes, transfer), ledger)
    })
  }

  /**
   * Takes in the theta of a swarm above.
   *
   * @param ledger after the entry
   * @param above bytes of that theta, fp32
   * @throws as `apply`
   */
  merge(
    ledger: LedgerState,
    above: Uint8Array,
    rest: Pick<Calls['merge']['takes'], 'sent' | 'afresh'>,
  ): Promise<StateDigests> {
    return this.#inTurn(async () => {
      const { version } = ledger
      if (this.#newest !== version - 1) throw notHeld(version - 1)
      const takes = { version, above: await vectorOf(above), ...rest }
      const transfer = [takes.above.buffer]
      return this.#hold(await this.#running().call('merge', takes, transfer), ledger)
    })
  }

  /** What a cluster has moved by the newest version and not reported, coded. */
  report(codec: CodecName): Promise<CodedReport> {
    return this.#inTurn(() => this.#running().call('report', { codec }))
  }

  /** A fetched theta without the rest of the outer state, as a pure worker holds it. */
  holdTheta(version: Version, values: Float32Array): void {
    this.#keepTheta(version, { values, own: null })
  }

  /** Never changes, however long it is used. */
  theta(version: Version): Float32Array | undefined {
    const theta = this.#thetas.get(version)
    if (theta !== undefined) theta.own = null
    return theta?.values
  }

  /** Of the newest version of which one is held. */
  newestTheta(): Float32Array | undefined {
    return this.theta(Math.max(...this.#thetas.keys()))
  }

  /** A copy of the whole state of a version; undefined where it is not kept any more. */
  async snapshot(version: Version): Promise<Snapshot | undefined> {
    const held = this.#held.get(version)
    const theta = this.theta(version)
    if (held === undefined || theta === undefined) return undefined
    const { phases, ledger, digest, stateDigest } = held
    const slots = await this.#running().call('slots', { stateDigest })
    return slots === null ? undefined : { outer: { theta, slots, phases }, ledger, digest, stateDigest }
  }

  /** The same as the bytes that travel. */
  async encoded(version: Version): Promise<Uint8Array | undefined> {
    const held = this.#held.get(version)
    const theta = this.theta(version)
    if (held === undefined || theta === undefined) return undefined
    const encoded = await this.#running().call('encode', held)
    if (encoded === null) return undefined
    const { bytes, thetaAt } = encoded
    await copyInSlices(bytesUnder(theta), bytes.subarray(thetaAt, thetaAt + theta.byteLength))
    return bytes
  }

  /** Ends the thread; what it is doing is given up. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#thread?.close()
  }

  /** Workers that only train need no thread. */
  #running(): OuterThread {
    if (this.#closed) throw new Error('the outer states were closed')
    this.#thread ??= new OuterThread(this.setup, this.entry)
    return this.#thread
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }

  async #install(
    outer: Snapshot['outer'],
    ledger: LedgerState,
    expected: Hash | null,
  ): Promise<StateDigests> {
    const theta = await copiedVector(outer.theta)
    const slots: Record<string, OwnVector> = {}
    for (const [name, values] of Object.entries(outer.slots)) slots[name] = await copiedVector(values)
    const { version } = ledger
    const takes = { outer: { theta, slots, phases: outer.phases }, version, expected }
    const transfer = [theta, ...Object.values(slots)].map(({ buffer }) => buffer)
    return this.#begin(await this.#running().call('install', takes, transfer), ledger)
  }

  /** What was held is of another history: only the thetas that came before may be of this one too. */
  #begin({ inbox, ...made }: Installed, ledger: LedgerState): StateDigests {
    this.#inbox = inbox
    this.#spare = null
    this.#held.clear()
    for (const version of this.#thetas.keys()) if (version > ledger.version) this.#thetas.delete(version)
    return this.#hold(made, ledger)
  }

  #hold({ theta, phases, digest, stateDigest }: MadeVersion, ledger: LedgerState): StateDigests {
    const { version } = ledger
    this.#newest = version
    this.#held.set(version, { ledger, phases, digest, stateDigest })
    for (const held of this.#held.keys()) if (held <= version - statesKept) this.#held.delete(held)
    this.#keepTheta(version, { values: theta, own: theta })
    return { digest, stateDigest }
  }

  #keepTheta(newest: Version, theta: Theta): void {
    this.#thetas.set(newest, theta)
    for (const [version, { own }] of this.#thetas) {
      if (version > newest - thetasKept) continue
      this.#thetas.delete(version)
      this.#spare ??= own
    }
  }
}

/** Bytes may begin anywhere in their buffer; values begin at multiples of four. */
const vectorOf = async (bytes: Uint8Array): Promise<OwnVector> =>
  new Float32Array((await copiedBytes(bytes)).buffer)

async function copyToParts(payload: Uint8Array, parts: readonly Uint8Array[]): Promise<void> {
  const bytes = parts.reduce((sum, { length }) => sum + length, 0)
  if (payload.length !== bytes)
    throw new Error(`the payload has ${payload.length} bytes, the parameters ${bytes}`)
  let start = 0
  for (const part of parts) {
    await copyInSlices(payload.subarray(start, start + part.length), part)
    start += part.length
  }
}
