// `skein bench network`: transfers between real processes, against what the same machine and network could do at best.
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { heartbeatMs } from '../core/deadlines.js'
import type { PeerId } from '../core/ids.js'
import type { LinkConfig } from '../swarmfile/schema.js'
import { type Namespaces, openNamespaces } from './namespaces.js'
import { NetworkChild } from './network-child.js'
import { measuredContributions } from './network-contributions.js'
import type { NetworkPart } from './network-parts.js'
import { type NetworkRow, networkRow } from './network-row.js'
import { type Report, thisMachine } from './report.js'

export interface NetworkBenchOptions {
  readonly parts: readonly NetworkPart[]
  /** Contributions, each by gossip and by pull. */
  readonly times: number
  /** Of heartbeats beside bulk. */
  readonly minutes: number
  /** Rounds of the point-to-point transfer; the best of each kind counts. */
  readonly rounds: number
  /** Told what is measured next. */
  readonly say: (what: string) => void
}

const MIB = 2 ** 20
const pointBytes = 256 * MIB
/** One version of 31 million parameters in fp32. */
const versionBytes = 31_000_000 * 4
const spread = { donors: 3, takers: 8, megabits: 100 } as const
const slowMegabits = 10
/** Fetched again and again beside heartbeats. */
const steadyBytes = 4 * MIB
const loopback = '/ip4/127.0.0.1/tcp/0'
const bytesPerSecond = (megabits: number): number => (megabits * 1e6) / 8

export async function benchNetwork(options: NetworkBenchOptions): Promise<Report<NetworkRow>> {
  const { parts, say } = options
  const rows: NetworkRow[] = []
  const folder = await mkdtemp(join(tmpdir(), 'skein-bench-network-'))
  try {
    if (parts.includes('point')) rows.push(...(await pointToPoint(folder, options)))
    if (parts.includes('spread')) rows.push(...(await spreading(folder, say)))
    if (parts.includes('contributions')) rows.push(...(await measuredContributions(options.times, say)))
    if (parts.includes('heartbeats')) rows.push(...(await heartbeats(options.minutes, say)))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return { bench: 'network', machine: thisMachine({ onnxruntime: null, torch: null }), rows }
}

async function pointToPoint(
  folder: string,
  { rounds, say }: Pick<NetworkBenchOptions, 'rounds' | 'say'>,
): Promise<NetworkRow[]> {
  let [plainMs, oursMs, hashMs, keptMs, diskMs] = [Infinity, Infinity, Infinity, Infinity, Infinity]
  let [donorMost, takerMost] = [0, 0]
  // The plain stream throws away what comes: where a disk is the slower, it is not the transfer that is measured.
  const memory = await folderInMemory()
  for (let round = 0; round < rounds; round++) {
    say(`256 MiB from process to process, round ${round + 1} of ${rounds}`)
    plainMs = Math.min(plainMs, await plainMsOf())
    await withPeers([null, null], async ([donor, taker], [donorId]) => {
      await donor.ask('serve', { bytes: pointBytes, variants: 1 })
      const fetch = (to: string) =>
        taker.ask('fetch', { version: 0, donors: [donorId], content: null, path: join(to, 'point') })
      const idle = [(await donor.ask('memory', {})).rss, (await taker.ask('memory', {})).rss]
      // The donor's list of chunks, and both ends' code, are made by a first time whose speed does not count.
      keptMs = Math.min(keptMs, (await fetch(folder)).ms)
      if (memory !== null) await fetch(memory)
      const { ms } = await fetch(memory ?? folder)
      donorMost = Math.max(donorMost, (await donor.ask('memory', {})).most - idle[0])
      takerMost = Math.max(takerMost, (await taker.ask('memory', {})).most - idle[1])
      oursMs = Math.min(oursMs, ms)
      diskMs = Math.min(diskMs, await writtenMs(join(folder, 'alone')))
      hashMs = Math.min(hashMs, (await taker.ask('hash', { bytes: pointBytes })).ms)
    })
  }
  if (memory !== null) await rm(memory, { recursive: true, force: true })
  const where = memory === null ? 'to a file' : 'to a file in memory'
  const rate = (ms: number) => pointBytes / 1e6 / (ms / 1000)
  const plain = rate(plainMs)
  return [
    networkRow('256 MiB, one plain noise stream', plain, 'MB/s', null),
    networkRow(`256 MiB, verified, ${where}`, rate(oursMs), 'MB/s', plain),
    networkRow(`256 MiB, ${where}, less the time of its hashing`, rate(oursMs - hashMs), 'MB/s', plain),
    networkRow(
      '256 MiB, verified, durable on the disk, beside the disk alone',
      rate(keptMs),
      'MB/s',
      rate(diskMs),
    ),
    networkRow('memory of the donor over idle, 256 MiB', donorMost / 1e6, 'MB', 200),
    networkRow('memory of the taker over idle, 256 MiB', takerMost / 1e6, 'MB', 200),
  ]
}

/** Linux has one; null elsewhere. */
async function folderInMemory(): Promise<string | null> {
  return mkdtemp('/dev/shm/skein-bench-network-').catch(() => null)
}

/** The same bytes written to a new file, durably, with nothing else to do. */
async function writtenMs(path: string): Promise<number> {
  const piece = new Uint8Array(MIB)
  const start = performance.now()
  const file = await open(path, 'w')
  for (let at = 0; at < pointBytes; at += MIB) await file.write(piece)
  await file.sync()
  await file.close()
  const ms = performance.now() - start
  await rm(path)
  return ms
}

async function plainMsOf(): Promise<number> {
  const [giver, taker] = [new NetworkChild(null), new NetworkChild(null)]
  try {
    const { addresses } = await giver.ask('plainGive', { listen: loopback, bytes: pointBytes })
    const { ms, bytes } = await taker.ask('plainTake', { listen: loopback, address: addresses[0] })
    if (bytes !== pointBytes) throw new Error(`${bytes} bytes came on the plain stream, not ${pointBytes}`)
    return ms
  } finally {
    giver.close()
    taker.close()
  }
}

/** One version to eight peers: from three donors, and from one with nobody passing anything on. */
async function spreading(folder: string, say: (what: string) => void): Promise<NetworkRow[]> {
  const { donors, takers, megabits } = spread
  const namespaces = await openNamespaces(donors + takers, megabits)
  const how = namespaces === null ? `by the peers' own caps` : 'by tc'
  try {
    say(`31M parameters to ${takers} peers from ${donors} donors, ${megabits} Mbit/s per peer ${how}`)
    const many = await spreadOnce(folder, namespaces, donors, true)
    say(`the same from one donor, with ${takers} contents that nobody can pass on`)
    const one = await spreadOnce(folder, namespaces, 1, false)
    const ideal = takers * versionBytes
    const atBest = versionBytes / bytesPerSecond(megabits)
    const what = `31M fp32 to ${takers} peers, ${megabits} Mbit/s ${how}`
    return [
      networkRow(`${what}, from ${donors} donors: bytes`, many.bytes, 'B', ideal),
      networkRow(`${what}, from ${donors} donors: last peer after`, many.seconds, 's', atBest),
      networkRow(`${what}, from one donor alone: last peer after`, one.seconds, 's', atBest),
      networkRow(`${what}: times as fast as from one`, one.seconds / many.seconds, 'x', 2),
    ]
  } finally {
    await namespaces?.remove()
  }
}

async function spreadOnce(folder: string, namespaces: Namespaces | null, donors: number, shared: boolean) {
  const places = Array.from({ length: donors + spread.takers }, (_, i) => namespaces?.peers[i] ?? null)
  const cap = namespaces === null ? bytesPerSecond(spread.megabits) : null
  return withPeers(
    places,
    async (children, ids) => {
      const giving = children.slice(0, donors)
      const variants = shared ? 1 : spread.takers
      for (const donor of giving) await donor.ask('serve', { bytes: versionBytes, variants })
      const start = performance.now()
      const fetched = await Promise.all(
        children.slice(donors).map((taker, i) =>
          taker.ask('fetch', {
            version: shared ? 0 : i,
            donors: ids.slice(0, donors),
            content: null,
            path: join(folder, `${donors}-${i}`),
          }),
        ),
      )
      const seconds = (performance.now() - start) / 1000
      return { seconds, bytes: fetched.reduce((sum, { received }) => sum + received, 0) }
    },
    cap,
  )
}

/** Heartbeats through a link that bulk fills, and that queues for up to 200 ms. */
async function heartbeats(minutes: number, say: (what: string) => void): Promise<NetworkRow[]> {
  const namespaces = await openNamespaces(2, slowMegabits)
  const how = namespaces === null ? 'by an emulated link' : 'by tc'
  const rate = bytesPerSecond(slowMegabits)
  const links =
    namespaces === null
      ? [{ between: ['a', 'b'] as [string, string], bytesPerSecond: rate, latencyMs: 0 }]
      : []
  try {
    say(`heartbeats beside bulk at ${slowMegabits} Mbit/s ${how}, for ${minutes} minutes`)
    const places = [namespaces?.peers[0] ?? null, namespaces?.peers[1] ?? null]
    return await withPeers(
      places,
      async ([donor, taker], [donorId, takerId]) => {
        await donor.ask('serve', { bytes: steadyBytes, variants: 1 })
        const ms = minutes * 60_000
        const bulk = taker.ask('fetchFor', { ms, donors: [donorId] })
        const times = Math.floor(ms / heartbeatMs)
        const { sent } = await donor.ask('beat', { to: takerId, everyMs: heartbeatMs, times })
        const { bytes } = await bulk
        const { beats } = await taker.ask('beats', {})
        const came = new Map(beats.map((beat) => [beat.number, beat.ms]))
        const delays = sent.map((ms, number) => (came.get(number) ?? Infinity) - ms)
        const lost = delays.filter((delay) => !Number.isFinite(delay)).length
        const late = delays.filter((delay) => delay > heartbeatMs).length - lost
        const usual = [...delays].sort((a, b) => a - b)[Math.floor(delays.length / 2)]
        const worst = Math.max(...delays.filter(Number.isFinite), 0)
        const what = `heartbeats beside bulk, ${slowMegabits} Mbit/s ${how}, ${minutes} min`
        return [
          networkRow(`${what}: missed of ${sent.length}`, lost, 'heartbeats', null),
          networkRow(`${what}: later than the next was sent`, late, 'heartbeats', null),
          networkRow(`${what}: usual way`, usual, 'ms', 200),
          networkRow(`${what}: longest way`, worst, 'ms', 200),
          networkRow(`${what}: bulk meanwhile`, bytes / 1e6 / (ms / 1000), 'MB/s', rate / 1e6),
        ]
      },
      null,
      links,
    )
  } finally {
    await namespaces?.remove()
  }
}

type Place = { readonly namespace: string; readonly address: string } | null

/** Peers in processes of their own; the later ones know the addresses of the first. */
async function withPeers<T>(
  places: readonly Place[],
  work: (children: readonly NetworkChild[], ids: readonly PeerId[]) => Promise<T>,
  cap: number | null = null,
  links: readonly LinkConfig[] = [],
): Promise<T> {
  const children = places.map((place) => new NetworkChild(place?.namespace ?? null))
  try {
    const started: { readonly id: PeerId; readonly addresses: readonly string[] }[] = []
    for (const [i, child] of children.entries()) {
      const address = places[i]?.address
      const listen = address === undefined ? loopback : `/ip4/${address}/tcp/0`
      const cluster = i === 0 ? 'a' : 'b'
      started.push(
        await child.ask('start', { listen, links, cluster, places: [], upload: cap, download: cap }),
      )
    }
    if (links.length > 0) {
      await children[0].ask('place', { peer: started[1].id, cluster: 'b' })
      await children[1].ask('place', { peer: started[0].id, cluster: 'a' })
    }
    for (const [i, child] of children.entries())
      for (const { addresses } of started.slice(0, Math.min(i, spread.donors)))
        await child.ask('dial', { address: addresses[0] })
    return await work(
      children,
      started.map(({ id }) => id),
    )
  } finally {
    for (const child of children) child.close()
  }
}
