// Payloads of contributions: arriving, checked, made durable where the outer state depends on them, served.
import type { NewEvent } from '../core/events.js'
import type { Hash, PeerId } from '../core/ids.js'
import type { Manifest } from '../core/messages.js'
import type { Dispatch } from './driver.js'
import { formatProblem, mostPayloadBytes, type PayloadFormat, payloadProblem } from './payload-check.js'
import { reasonOf } from './reason.js'
import type { SwarmMesh } from './swarm-mesh.js'

/** Payloads kept in memory for those who still need them, the newest at least; older ones are on the replicas' disks. */
const most = { payloads: 32, bytes: 256 * 2 ** 20 } as const

/** Where a replica keeps payloads until a snapshot covers them. */
export interface DurablePayloads {
  put(hash: Hash, bytes: Uint8Array): Promise<void>
  get(hash: Hash): Promise<Uint8Array | null>
  delete(hash: Hash): Promise<void>
}

export class Contributions {
  readonly #payloads = new Map<Hash, Uint8Array>()
  /** Payloads on their way to the disk, and how often. */
  readonly #writing = new Map<Hash, number>()
  /** Who waits for a payload that comes by gossip, until it is here or given up. */
  readonly #awaiting = new Map<Hash, (() => void)[]>()

  constructor(
    private readonly mesh: Pick<SwarmMesh, 'arriving' | 'fetch'>,
    private readonly format: PayloadFormat,
    private readonly disk: DurablePayloads,
    private readonly dispatch: Dispatch,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** Whether a contribution of this run may be like this. */
  fits(manifest: Manifest): boolean {
    return formatProblem(manifest, this.format) === null
  }

  /** All chunks are here. Checked, then durable, then told to the core: in this order. */
  async arrived(from: PeerId, manifest: Manifest, payload: Uint8Array): Promise<void> {
    const problem = await payloadProblem(manifest, payload, this.format)
    if (problem === null) {
      this.#keep(manifest.payload, payload)
      return this.#tellDurable(manifest.payload, payload, { type: 'contribution', from, manifest, problem })
    }
    this.#wake(manifest.payload)
    this.dispatch({ type: 'contribution', from, manifest, problem })
  }

  /** The own worker's contribution, which peers may pull until its verdict is known. */
  offer(manifest: Manifest, payload: Uint8Array): void {
    this.#keep(manifest.payload, payload)
  }

  pull(from: PeerId, manifest: Manifest): void {
    const problem = formatProblem(manifest, this.format)
    if (problem !== null) return this.dispatch({ type: 'contribution', from, manifest, problem })
    this.payload(manifest.payload, [from])
      .then((payload) => this.arrived(from, manifest, payload))
      .catch((error: Error) => this.dispatch({ type: 'pull-failed', manifest, reason: reasonOf(error) }))
  }

  /** The bytes of a committed contribution, from memory, disk or one of the donors. */
  async payload(hash: Hash, donors: readonly PeerId[]): Promise<Uint8Array> {
    const here = await this.held(hash)
    if (here !== null) return here
    if (!this.#payloads.has(hash) && this.mesh.arriving(hash)) await this.#gossip(hash)
    const arrived = this.#payloads.get(hash)
    if (arrived !== undefined) return arrived
    const fetched = await this.mesh.fetch({ kind: 'payload', hash }, donors, hash, {
      atMost: mostPayloadBytes(this.format),
    })
    this.#keep(hash, fetched)
    return fetched
  }

  /** It will not come by gossip: whoever waits for it fetches it. */
  missed(hash: Hash): void {
    this.#wake(hash)
  }

  /** What this peer itself has. */
  async held(hash: Hash): Promise<Uint8Array | null> {
    return this.#payloads.get(hash) ?? (await this.disk.get(hash))
  }

  /** Makes a payload that the ledger names durable here, and tells. */
  async hold(payload: Hash, donors: readonly PeerId[]): Promise<void> {
    let bytes: Uint8Array
    try {
      bytes = await this.payload(payload, donors)
    } catch (error) {
      return this.dispatch({ type: 'payload-failed', payload, reason: reasonOf(error) })
    }
    return this.#tellDurable(payload, bytes, { type: 'payload-held', payload })
  }

  /** What this peer itself made of the outer state: durable here when it resolves. */
  own(payload: Hash, bytes: Uint8Array): Promise<void> {
    this.#keep(payload, bytes)
    return this.#tellDurable(payload, bytes, { type: 'payload-held', payload })
  }

  /** What is dropped meanwhile stays: the core hears only now that it is here, and drops it again. */
  async #tellDurable(hash: Hash, bytes: Uint8Array, event: NewEvent): Promise<void> {
    this.#writing.set(hash, (this.#writing.get(hash) ?? 0) + 1)
    try {
      await this.disk.put(hash, bytes)
    } catch (error) {
      return this.fail(error)
    } finally {
      const others = (this.#writing.get(hash) ?? 1) - 1
      if (others > 0) this.#writing.set(hash, others)
      else this.#writing.delete(hash)
    }
    this.dispatch(event)
  }

  /** Nobody needs them any more. */
  drop(payloads: readonly Hash[]): void {
    for (const payload of payloads) {
      if (this.#writing.has(payload)) continue
      this.#payloads.delete(payload)
      this.disk.delete(payload).catch(this.fail)
    }
  }

  /** Resolves when a payload that comes by gossip is here, or given up. */
  #gossip(hash: Hash): Promise<void> {
    return new Promise((resolve) => this.#awaiting.set(hash, [...(this.#awaiting.get(hash) ?? []), resolve]))
  }

  #wake(hash: Hash): void {
    for (const wake of this.#awaiting.get(hash) ?? []) wake()
    this.#awaiting.delete(hash)
  }

  #keep(hash: Hash, payload: Uint8Array): void {
    this.#payloads.delete(hash)
    this.#payloads.set(hash, payload)
    let bytes = 0
    for (const { length } of this.#payloads.values()) bytes += length
    for (const [old, { length }] of this.#payloads) {
      if (this.#payloads.size <= most.payloads && bytes <= most.bytes) break
      if (old === hash) break
      this.#payloads.delete(old)
      bytes -= length
    }
    this.#wake(hash)
  }
}
