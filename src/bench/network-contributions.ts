// Pseudo-gradients of 31 million parameters in 4 bits, from a worker to three replicas: by gossip, and by pull.
import { assignmentId, runId } from '../core/ids.js'
import type { Manifest } from '../core/messages.js'
import { generateIdentity } from '../network/identity.js'
import { createMesh } from '../network/mesh.js'
import { sha256 } from '../platform/sha256.js'
import type { Mesh } from '../ports/mesh.js'
import { manifestOf } from '../wire/chunks.js'
import { type NetworkRow, networkRow } from './network-row.js'

const payloadBytes = 15_500_000
const replicaCount = 3
const run = runId('c'.repeat(64))
const topic = { kind: 'gradients', cluster: 'bench' } as const
/** Gossip that has brought nothing for so long has lost it. */
const patienceMs = 60_000

interface Peer {
  readonly mesh: Mesh
  /** Resolves with whether the next contribution came whole. */
  next(): Promise<boolean>
}

export async function measuredContributions(
  times: number,
  say: (what: string) => void,
): Promise<NetworkRow[]> {
  const peers: Peer[] = []
  try {
    for (let i = 0; i <= replicaCount; i++) peers.push(await startPeer())
    const [worker, ...replicas] = peers
    for (const [i, { mesh }] of peers.entries())
      for (const other of peers.slice(0, i)) await mesh.dial(other.mesh.addresses()[0])
    for (const { mesh } of replicas) mesh.subscribe(topic)
    await subscribed(worker, replicas)
    say(`${times} pseudo-gradients of 15.5 MB to ${replicaCount} replicas by gossip`)
    const gossiped = await byGossip(worker, replicas, times)
    say('the same by pull')
    const pulled = await byPull(worker, replicas, times)
    const ideal = times * replicaCount * payloadBytes
    const what = `31M in 4 bits to ${replicaCount} replicas, ${times} times`
    return [
      networkRow(`${what}, by gossip: lost`, gossiped.lost, 'contributions', null),
      networkRow(`${what}, by gossip: bytes`, gossiped.bytes, 'B', ideal),
      networkRow(`${what}, by gossip: each`, gossiped.seconds / times, 's', null),
      networkRow(`${what}, by pull: bytes`, pulled.bytes, 'B', ideal),
      networkRow(`${what}, by pull: each`, pulled.seconds / times, 's', null),
    ]
  } finally {
    for (const { mesh } of peers) await mesh.close()
  }
}

async function byGossip(worker: Peer, replicas: readonly Peer[], times: number) {
  const before = received(replicas)
  const start = performance.now()
  let lost = 0
  for (let time = 0; time < times; time++) {
    const { payload, manifest } = contribution(time)
    const came = replicas.map((replica) => replica.next())
    await worker.mesh.publishContribution(topic, manifest, payload)
    for (const whole of await Promise.all(came)) if (!whole) lost++
  }
  return { lost, bytes: received(replicas) - before, seconds: (performance.now() - start) / 1000 }
}

/** Each replica pulls from the worker, as it does a payload that is too large for gossip. */
async function byPull(worker: Peer, replicas: readonly Peer[], times: number) {
  const before = received(replicas)
  const start = performance.now()
  for (let time = 0; time < times; time++) {
    const { payload, manifest } = contribution(times + time)
    const hash = manifest.payload
    worker.mesh.serve((name) => (name.kind === 'payload' && name.hash === hash ? payload : null))
    await Promise.all(
      replicas.map(({ mesh }) => mesh.fetch({ kind: 'payload', hash }, [worker.mesh.self], hash)),
    )
  }
  return { bytes: received(replicas) - before, seconds: (performance.now() - start) / 1000 }
}

const received = (peers: readonly Peer[]): number =>
  peers.reduce((sum, { mesh }) => sum + mesh.traffic().received.gossip + mesh.traffic().received.bulk, 0)

function contribution(time: number): { readonly payload: Uint8Array; readonly manifest: Manifest } {
  const words = new Uint32Array(payloadBytes / 4)
  let word = time + 1
  for (let i = 0; i < words.length; i++) {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0
    words[i] = word
  }
  const payload = new Uint8Array(words.buffer)
  const round = {
    assignment: assignmentId(time + 1),
    base: 0,
    steps: 1,
    codec: 'fp32',
    norm: 1,
    speed: 1,
    loss: 1,
  } as const
  return { payload, manifest: manifestOf(round, payload, sha256) }
}

async function startPeer(): Promise<Peer> {
  let settle: (whole: boolean) => void = () => {}
  const mesh = await createMesh({
    privateKey: await generateIdentity(),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
    links: [],
    cluster: 'bench',
    log: () => {},
    handlers: {
      message: () => settle(true),
      fits: ({ bytes }) => bytes === payloadBytes,
      contribution: () => settle(true),
      incomplete: () => settle(false),
      connected: () => {},
      disconnected: () => {},
      refused: () => {},
      transferring: () => {},
      hello: () => ({ accepted: true, genesis: '{}', leader: null, leaderAddresses: [] }),
    },
  })
  mesh.enter(run, 'bench')
  const next = (): Promise<boolean> =>
    new Promise((resolve) => {
      const late = setTimeout(() => resolve(false), patienceMs)
      settle = (whole) => {
        clearTimeout(late)
        settle = () => {}
        resolve(whole)
      }
    })
  return { mesh, next }
}

/** Gossip says nothing when a subscription has arrived, but a message that arrives does. */
async function subscribed(worker: Peer, replicas: readonly Peer[]): Promise<void> {
  const heard = Promise.all(replicas.map((replica) => replica.next()))
  const knock = setInterval(() => worker.mesh.publish(topic, { type: 'leave', reason: 'knock' }), 200)
  await heard
  clearInterval(knock)
}
