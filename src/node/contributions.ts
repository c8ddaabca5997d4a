// Payloads of contributions: arriving, checked, made durable where the outer state depends on them, served.
import type { Hash, PeerId } from '../core/ids.js'
import type { Manifest } from '../core/messages.js'
import { sha256 } from '../platform/sha256.js'
import type { Mesh } from '../ports/mesh.js'
import { codecs } from '../tensor/codec.js'
import { checkContribution } from '../tensor/contribution.js'
import type { Dispatch } from './driver.js'

/** Payloads kept in memory for those who still need them; older ones are on the voters' disks. */
const payloadsKept = 32

/** Where a voter keeps payloads until a snapshot covers them. */
export interface DurablePayloads {
  put(hash: Hash, bytes: Uint8Array): Promise<void>
  get(hash: Hash): Promise<Uint8Array | null>
}

export class Contributions {
  readonly #payloads = new Map<Hash, Uint8Array>()
  /** Who waits for a payload that comes by gossip, until it is here or given up. */
  readonly #awaiting = new Map<Hash, (() => void)[]>()

  constructor(
    private readonly mesh: Mesh,
    private readonly parameters: number,
    /** Null on peers that are not voters: what they lose they fetch again. */
    private readonly disk: DurablePayloads | null,
    private readonly dispatch: Dispatch,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** All chunks are here. Checked, then durable, then told to the core: in this order. */
  async arrived(from: PeerId, manifest: Manifest, payload: Uint8Array): Promise<void> {
    const problem = this.#problem(manifest, payload)
    if (problem === null) {
      this.#keep(manifest.payload, payload)
      try {
        await this.disk?.put(manifest.payload, payload)
      } catch (error) {
        return this.fail(error)
      }
    } else {
      this.#wake(manifest.payload)
    }
    this.dispatch({ type: 'contribution', from, manifest, problem })
  }

  /** The own worker's contribution, which peers may pull until its verdict is known. */
  offer(manifest: Manifest, payload: Uint8Array): void {
    this.#keep(manifest.payload, payload)
  }

  pull(from: PeerId, manifest: Manifest): void {
    const expected = codecs[manifest.codec].encodedBytes(this.parameters)
    if (manifest.bytes !== expected) {
      const problem = `its payload has ${manifest.bytes} bytes, not ${expected}`
      return this.dispatch({ type: 'contribution', from, manifest, problem })
    }
    this.payload(manifest.payload, [from])
      .then((payload) => this.arrived(from, manifest, payload))
      .catch((error: Error) => this.dispatch({ type: 'pull-failed', manifest, reason: error.message }))
  }

  /** The bytes of a committed contribution, from memory, disk or one of the donors. */
  async payload(hash: Hash, donors: readonly PeerId[]): Promise<Uint8Array> {
    const here = this.#payloads.get(hash) ?? (await this.disk?.get(hash)) ?? null
    if (here !== null) return here
    if (!this.#payloads.has(hash) && this.mesh.arriving(hash)) await this.#gossip(hash)
    const arrived = this.#payloads.get(hash)
    if (arrived !== undefined) return arrived
    const fetched = await this.mesh.fetch({ kind: 'payload', hash }, donors, hash)
    this.#keep(hash, fetched)
    return fetched
  }

  /** It will not come by gossip: whoever waits for it fetches it. */
  missed(hash: Hash): void {
    this.#wake(hash)
  }

  held(hash: Hash): Uint8Array | null {
    return this.#payloads.get(hash) ?? null
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
    for (const old of this.#payloads.keys()) {
      if (this.#payloads.size <= payloadsKept) break
      this.#payloads.delete(old)
    }
    this.#wake(hash)
  }

  #problem(manifest: Manifest, payload: Uint8Array): string | null {
    const expected = codecs[manifest.codec].encodedBytes(this.parameters)
    if (payload.length !== expected) return `its payload has ${payload.length} bytes, not ${expected}`
    if (sha256(payload) !== manifest.payload) return 'its payload does not match the hash in its manifest'
    return checkContribution(
      codecs[manifest.codec].decode(payload, this.parameters),
      manifest,
      this.parameters,
    )
  }
}
