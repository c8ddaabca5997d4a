// Real peers in this process for the tests: a tiny model, a small text, loopback only.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EventRecord } from '../../src/core/reports.js'
import type { PeerOptions, PeerOutcome } from '../../src/node/options.js'
import { runPeer } from '../../src/node/run-peer.js'
import { type SwarmFile, swarmFileSchema } from '../../src/swarmfile/schema.js'

/** Text with something to learn, a few thousand tokens long. */
const text = Array.from({ length: 800 }, (_, i) => `goose ${i % 7} follows goose ${(i % 7) + 1}. `).join('')

export function tinySwarm(changes: Record<string, unknown> = {}, peers = ['anser']): SwarmFile {
  const run = {
    model: { preset: 'nano' },
    data: { shards: 4, heldOut: 0.1 },
    inner: { batch: 2, warmupSteps: 2 },
    outer: { bufferSize: 2 },
    localSteps: 3,
    startPeers: peers.length,
    validation: { everyVersions: 2, batches: 2 },
    checkpoints: { everyVersions: 2 },
    stop: { versions: 4 },
    membership: 'open',
  }
  return swarmFileSchema.parse({
    name: 'tiny',
    run: { ...run, ...changes },
    clusters: [{ name: 'north' }, { name: 'south' }],
    peers: peers.map((name, i) => ({ name, cluster: i % 2 === 0 ? 'north' : 'south' })),
  })
}

/** A peer under way: what it reported so far, and how to wait, stop and hear of its end. */
export class RunningPeer {
  readonly records: EventRecord[] = []
  readonly ended: Promise<PeerOutcome>
  readonly #stop = new AbortController()
  #watchers: (() => void)[] = []

  constructor(options: PeerOptions) {
    const watch = (record: EventRecord) => {
      this.records.push(record)
      if (process.env.SKEIN_TRACE) console.log(JSON.stringify(record).slice(0, 300))
      for (const watcher of this.#watchers) watcher()
    }
    this.ended = runPeer(options, watch, this.#stop.signal)
    this.ended.catch(() => {})
  }

  of<Type extends EventRecord['type']>(type: Type): (EventRecord & { type: Type })[] {
    return this.records.filter((record): record is EventRecord & { type: Type } => record.type === type)
  }

  /** The first record of a type that fits; rejects if the peer ends without one. */
  async next<Type extends EventRecord['type']>(
    type: Type,
    fits: (record: EventRecord & { type: Type }) => boolean = () => true,
  ): Promise<EventRecord & { type: Type }> {
    const found = new Promise<EventRecord & { type: Type }>((resolve) => {
      const look = () => {
        const record = this.of(type).find(fits)
        if (record !== undefined) resolve(record)
      }
      this.#watchers.push(look)
      look()
    })
    const gone = this.ended.then(() => {
      throw new Error(`the peer ended without a fitting ${type} record`)
    })
    return Promise.race([found, gone])
  }

  stop(): Promise<PeerOutcome> {
    this.#stop.abort()
    return this.ended
  }
}

/** Starts peers in folders of their own, and cleans up whatever a test leaves. */
export class Nest {
  #folder = ''
  #peers: RunningPeer[] = []
  corpus = ''

  /** @param slowdown of every peer that is given none: one that waits for others need not train as fast as it can */
  constructor(private readonly slowdown = 1) {}

  async open(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'skein-'))
    this.corpus = await this.write('corpus.txt', text)
  }

  async write(name: string, content: string): Promise<string> {
    const path = join(this.#folder, name)
    await writeFile(path, content)
    return path
  }

  folder(name: string): string {
    return join(this.#folder, name)
  }

  start(options: Partial<PeerOptions> & { name: string }): RunningPeer {
    const peer = new RunningPeer({
      swarm: null,
      cluster: null,
      founder: false,
      bootstrap: [],
      run: null,
      invitation: null,
      psk: null,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      slowdown: this.slowdown,
      microBatch: null,
      corpus: this.corpus,
      folder: this.folder(options.name),
      resume: false,
      engine: 'wasm',
      device: null,
      threads: 1,
      stopAfter: null,
      announce: null,
      maxUpload: null,
      maxDownload: null,
      mdns: false,
      relays: [],
      upnp: false,
      certificate: null,
      role: 'replica',
      verbose: false,
      ...options,
    })
    this.#peers.push(peer)
    return peer
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#peers.map((peer) => peer.stop()))
    this.#peers = []
    await rm(this.#folder, { recursive: true, force: true })
  }
}
