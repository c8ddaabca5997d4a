// One peer of a network bench in a process of its own, which does what it is told over the channel to its parent.
import { setTimeout as pause } from 'node:timers/promises'
import { runId } from '../core/ids.js'
import { type PlainNode, plainNode } from '../network/flow/plain-stream.js'
import { generateIdentity } from '../network/identity.js'
import { createMesh } from '../network/mesh.js'
import { contentName } from '../platform/content-name.js'
import { sha256 } from '../platform/sha256.js'
import type { BulkName, Mesh, MeshHandlers } from '../ports/mesh.js'
import type { Answers, Ask, AskOf, Asks, Told } from './network-messages.js'

const run = runId('b'.repeat(64))
const nothing = () => {}
/** Heartbeats that came: when, and which. */
const beats: { readonly number: number; readonly ms: number }[] = []

const handlers: MeshHandlers = {
  message: (_, message) => {
    if (message.type === 'want-digest') beats.push({ number: message.version, ms: Date.now() })
  },
  fits: () => false,
  contribution: nothing,
  incomplete: nothing,
  connected: nothing,
  disconnected: nothing,
  refused: nothing,
  transferring: nothing,
  hello: () => ({ accepted: true, genesis: '{}', leader: null, leaderAddresses: [] }),
}

let mesh: Mesh | null = null
let plain: PlainNode | null = null
let mostRss = 0
const watch = setInterval(() => {
  mostRss = Math.max(mostRss, process.memoryUsage.rss())
}, 20)
watch.unref()

/** Bytes that look random; the first four are a number, so that contents differ and share no name. */
function made(bytes: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / 4))
  let word = 1
  for (let i = 0; i < words.length; i++) {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0
    words[i] = word
  }
  return new Uint8Array(words.buffer, 0, bytes)
}

const peer = (): Mesh => {
  if (mesh === null) throw new Error('the peer was not started')
  return mesh
}

const does: { [Name in keyof Asks]: (ask: AskOf<Name>) => Promise<Answers[Name]> } = {
  async start({ listen, links, cluster, places, upload, download }) {
    mesh = await createMesh({
      privateKey: await generateIdentity(),
      listen: [listen],
      mdns: false,
      links,
      cluster,
      handlers,
      caps: { uploadBytesPerSecond: upload, downloadBytesPerSecond: download },
      log: nothing,
    })
    mesh.enter(run, cluster)
    for (const [id, place] of places) mesh.place(id, place)
    return { id: mesh.self, addresses: mesh.addresses() }
  },
  async place({ peer: other, cluster }) {
    peer().place(other, cluster)
    return null
  },
  async dial({ address }) {
    await peer().dial(address)
    return null
  },
  async serve({ bytes, variants }) {
    const base = made(bytes)
    const contents = new Map<number, Uint8Array>()
    // One copy in memory for all variants: but for the first chunk they are views of the same.
    const head = (variant: number) => {
      const first = base.slice(0, 4096)
      new DataView(first.buffer).setUint32(0, variant)
      return first
    }
    for (let variant = 0; variant < variants; variant++) contents.set(variant, head(variant))
    const read = (variant: number) => (start: number, end: number) => {
      if (start > 0 || variant === 0) return base.subarray(start, end)
      const bytesOf = base.slice(start, end)
      bytesOf.set(contents.get(variant) as Uint8Array)
      return bytesOf
    }
    peer().serve((name: BulkName) => {
      if (name.kind !== 'theta' || !contents.has(name.version)) return null
      return name.version === 0 ? base : { bytes, read: read(name.version) }
    })
    return { content: contentName(base) }
  },
  async fetch({ version, donors, content, path }) {
    const name = { kind: 'theta', version } as const
    const before = peer().traffic().received.bulk
    const start = performance.now()
    await peer().fetchFile(name, donors, content, path)
    const ms = performance.now() - start
    return { ms, received: peer().traffic().received.bulk - before }
  },
  async fetchFor({ ms, donors }) {
    const until = performance.now() + ms
    let bytes = 0
    while (performance.now() < until) {
      bytes += (await peer().fetch({ kind: 'theta', version: 0 }, donors, null)).length
    }
    return { bytes }
  },
  async beat({ to, everyMs, times }) {
    const sent: number[] = []
    for (let number = 0; number < times; number++) {
      sent.push(Date.now())
      peer().send(to, { type: 'want-digest', epoch: 0, term: 1, version: number })
      await pause(everyMs)
    }
    return { sent }
  },
  async beats() {
    return { beats }
  },
  async plainGive({ listen, bytes }) {
    plain = await plainNode(listen)
    await plain.give(bytes)
    return { addresses: plain.addresses }
  },
  async plainTake({ listen, address }) {
    plain = await plainNode(listen)
    const start = performance.now()
    const bytes = await plain.take(address)
    return { ms: performance.now() - start, bytes }
  },
  async hash({ bytes }) {
    const content = new Uint8Array(2 ** 18)
    const start = performance.now()
    for (let at = 0; at < bytes; at += content.length) sha256(content)
    return { ms: performance.now() - start }
  },
  async memory() {
    const rss = process.memoryUsage.rss()
    const most = Math.max(mostRss, rss)
    mostRss = rss
    return { rss, most }
  },
}

process.on('message', async (ask: Ask) => {
  const told = async (): Promise<Told> => {
    try {
      return { id: ask.id, gives: await (does[ask.name] as (what: unknown) => Promise<unknown>)(ask.what) }
    } catch (error) {
      return { id: ask.id, error: (error as Error).message }
    }
  }
  process.send?.(await told())
})
process.once('disconnect', () => process.exit(0))
