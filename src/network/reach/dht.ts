// The run in the distributed hash table: a member says there that it has part in it, and who looks for the run finds it.
import type { PeerInfo } from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import type { RunId } from '../../core/ids.js'
import { sha256 } from '../../platform/sha256.js'
import { messageOf } from '../errors.js'

/** First pause between two rounds, doubled each time: a run is found early or comes about later. */
const PAUSE_MS = { first: 2_000, most: 5 * 60_000 } as const
/** A query of a table of a few hundred peers takes a second or two. */
const QUERY_MS = 15_000
/** Members that are taken from one answer: enough to be told of the others by. */
const MOST_FOUND = 16
/** Multihash code of SHA-256. */
const SHA256_CODE = 0x12

export interface Table {
  provide(key: CID, options: { signal: AbortSignal }): Promise<void>
  findProviders(key: CID, options: { signal: AbortSignal }): AsyncIterable<PeerInfo>
}

/** The key of a run. */
export function keyOf(run: RunId): CID {
  const digest = Buffer.from(sha256(new TextEncoder().encode(`skein run ${run}`)), 'hex')
  return CID.createV1(raw.code, create(SHA256_CODE, digest))
}

export class RunInTable {
  readonly #stop = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #pauseMs: number = PAUSE_MS.first
  #key: CID | null = null
  #isMember = false

  constructor(
    private readonly table: Table,
    private readonly found: (peer: PeerInfo) => void,
    private readonly log: (message: string) => void,
  ) {}

  /** Looks for members of a run. */
  seek(run: RunId): void {
    this.#key = keyOf(run)
    this.#soon()
  }

  /** From now on this peer is one that others find. */
  enter(run: RunId): void {
    this.#key = keyOf(run)
    this.#isMember = true
    this.#soon()
  }

  close(): void {
    this.#stop.abort()
    clearTimeout(this.#timer)
  }

  #soon(): void {
    this.#pauseMs = PAUSE_MS.first
    this.#schedule()
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    if (this.#stop.signal.aborted) return
    this.#timer = setTimeout(() => void this.#round(), this.#pauseMs)
    this.#pauseMs = Math.min(2 * this.#pauseMs, PAUSE_MS.most)
  }

  async #round(): Promise<void> {
    const key = this.#key
    if (key === null) return
    const signal = () => AbortSignal.any([this.#stop.signal, AbortSignal.timeout(QUERY_MS)])
    try {
      if (this.#isMember) await this.table.provide(key, { signal: signal() })
      let count = 0
      for await (const peer of this.table.findProviders(key, { signal: signal() })) {
        this.found(peer)
        if (++count >= MOST_FOUND) break
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.log(`asking the hash table failed: ${messageOf(error)}`)
    }
    this.#schedule()
  }
}
