// Contributions in: put together from their chunks, in whatever order these come, and reported when some are lost.
import { EventEmitter } from 'node:events'
import type { Hash, PeerId } from '../../core/ids.js'
import type { Manifest } from '../../core/messages.js'
import { sha256 } from '../../platform/sha256.js'
import { Assembly, flawOf } from '../../wire/chunks.js'
import type { ChunkFrame } from '../../wire/frames.js'

/**
 * A chunk is late after so many usual gaps between chunks, within these bounds: the least covers a busy
 * publisher, the most a link of 17 kB/s. Before two chunks have come no gap is known.
 */
const QUIET = { gaps: 16, leastMs: 1_000, mostMs: 15_000, unknownMs: 5_000 } as const
/** Contributions assembled at a time for one author; a further one displaces the oldest. */
const OPEN_PER_AUTHOR = 4
/** Chunks kept for an author whose manifest has not come yet: they overtake it by a few at most. */
const EARLY_CHUNKS = 16
/** Settled payloads remembered, so that late chunks open nothing. */
const REMEMBERED = 256

interface Open {
  readonly manifest: Manifest
  /** The swarm in which it was published. */
  readonly swarm: string | null
  readonly assembly: Assembly
  lastMs: number
  /** Longest of the usual gaps between chunks: a decaying maximum. */
  gapMs: number | null
  timer: NodeJS.Timeout | undefined
}

interface Author {
  readonly open: Map<Hash, Open>
  early: ChunkFrame[]
}

interface Events {
  complete: [author: PeerId, manifest: Manifest, payload: Uint8Array, swarm: string | null]
  incomplete: [author: PeerId, manifest: Manifest, swarm: string | null]
  refused: [author: PeerId, what: string, reason: string]
}

/** Puts contributions together, one author's chunks never into another's. */
export class Assembler extends EventEmitter<Events> {
  readonly #authors = new Map<PeerId, Author>()
  readonly #settled = new Set<string>()

  /** @param fits whether a contribution may be like this: nothing is set aside for others, whatever they say of their size */
  constructor(private readonly fits: (manifest: Manifest, swarm: string | null) => boolean) {
    super()
  }

  /** Whether a payload was announced and is neither complete nor given up. */
  arriving(payload: Hash): boolean {
    return [...this.#authors.values()].some(({ open }) => open.has(payload))
  }

  begin(author: PeerId, manifest: Manifest, swarm: string | null = null): void {
    const { open, early } = this.#author(author)
    if (open.has(manifest.payload)) return
    const flaw = flawOf(manifest, sha256)
    if (flaw !== null) {
      this.emit('refused', author, 'manifest', flaw)
      return
    }
    if (!this.fits(manifest, swarm)) {
      this.#settled.add(key(author, manifest.payload))
      this.emit('incomplete', author, manifest, swarm)
      return
    }
    // Announced anew, as after a restart: then it comes anew.
    this.#settled.delete(key(author, manifest.payload))
    if (open.size >= OPEN_PER_AUTHOR) this.#giveUp(author, open.values().next().value as Open)
    const entry: Open = {
      manifest,
      swarm,
      assembly: new Assembly(manifest, sha256),
      lastMs: performance.now(),
      gapMs: null,
      timer: undefined,
    }
    open.set(manifest.payload, entry)
    this.#await(author, entry)
    this.#author(author).early = early.filter((chunk) => chunk.payload !== manifest.payload)
    for (const chunk of early) if (chunk.payload === manifest.payload) this.chunk(author, chunk)
  }

  chunk(author: PeerId, chunk: ChunkFrame): void {
    if (this.#settled.has(key(author, chunk.payload))) return
    const { open, early } = this.#author(author)
    const entry = open.get(chunk.payload)
    if (entry === undefined) {
      if (early.length < EARLY_CHUNKS) early.push({ ...chunk, bytes: chunk.bytes.slice() })
      return
    }
    const acceptance = entry.assembly.accept(chunk.index, chunk.bytes)
    switch (acceptance) {
      case 'stored':
        this.#stored(author, entry)
        return
      case 'duplicate':
        return
      case 'out-of-range':
      case 'wrong-size':
      case 'wrong-hash':
        this.emit('refused', author, `chunk ${chunk.index} of ${entry.manifest.assignment}`, acceptance)
        return
    }
  }

  close(): void {
    for (const { open } of this.#authors.values()) {
      for (const { timer } of open.values()) clearTimeout(timer)
    }
    this.#authors.clear()
    this.removeAllListeners()
  }

  #author(author: PeerId): Author {
    let record = this.#authors.get(author)
    if (record === undefined) {
      record = { open: new Map(), early: [] }
      this.#authors.set(author, record)
    }
    return record
  }

  #stored(author: PeerId, entry: Open): void {
    const nowMs = performance.now()
    entry.gapMs = Math.max(nowMs - entry.lastMs, (entry.gapMs ?? 0) * 0.9)
    entry.lastMs = nowMs
    if (entry.assembly.complete) this.#complete(author, entry)
    else this.#await(author, entry)
  }

  #complete(author: PeerId, entry: Open): void {
    this.#settle(author, entry)
    this.emit('complete', author, entry.manifest, entry.assembly.payload(), entry.swarm)
  }

  #await(author: PeerId, entry: Open): void {
    clearTimeout(entry.timer)
    const usualMs = entry.gapMs === null ? QUIET.unknownMs : QUIET.gaps * entry.gapMs
    const quietMs = Math.min(QUIET.mostMs, Math.max(QUIET.leastMs, usualMs))
    entry.timer = setTimeout(() => this.#giveUp(author, entry), quietMs)
  }

  #giveUp(author: PeerId, entry: Open): void {
    this.#settle(author, entry)
    this.emit('incomplete', author, entry.manifest, entry.swarm)
  }

  #settle(author: PeerId, entry: Open): void {
    clearTimeout(entry.timer)
    this.#author(author).open.delete(entry.manifest.payload)
    this.#settled.add(key(author, entry.manifest.payload))
    for (const oldest of this.#settled) {
      if (this.#settled.size <= REMEMBERED) break
      this.#settled.delete(oldest)
    }
  }
}

const key = (author: PeerId, payload: Hash): string => `${author} ${payload}`
