// Real meshes on loopback for the tests, with what their handlers were told, and waits without clocks.
import type { PeerId, RunId } from '../../src/core/ids.js'
import { runId } from '../../src/core/ids.js'
import type { Manifest, Message } from '../../src/core/messages.js'
import { generateIdentity } from '../../src/network/identity.js'
import { createMesh } from '../../src/network/mesh.js'
import type { MeshOptions } from '../../src/network/mesh-options.js'
import { sha256 } from '../../src/platform/sha256.js'
import type { Hello, HelloAnswer, Mesh, MeshHandlers } from '../../src/ports/mesh.js'
import { manifestOf } from '../../src/wire/chunks.js'

export const RUN: RunId = runId('a'.repeat(64))
export const OTHER_RUN: RunId = runId('b'.repeat(64))

/** What a handler was told, in order. */
export type Told =
  | { readonly what: 'message'; readonly from: PeerId; readonly message: Message }
  | {
      readonly what: 'contribution'
      readonly from: PeerId
      readonly manifest: Manifest
      readonly payload: Uint8Array
    }
  | { readonly what: 'incomplete'; readonly from: PeerId; readonly manifest: Manifest }
  | { readonly what: 'connected' | 'disconnected'; readonly peer: PeerId }
  | {
      readonly what: 'refused'
      readonly from: PeerId | null
      readonly thing: string
      readonly reason: string
    }

export interface Peer {
  readonly mesh: Mesh
  readonly told: Told[]
  /** The first matching thing told, past or future. */
  heard<W extends Told['what']>(
    what: W,
    matches?: (told: Extract<Told, { what: W }>) => boolean,
  ): Promise<Extract<Told, { what: W }>>
  /** Resolves when so many matching things were told. */
  heardTimes<W extends Told['what']>(
    what: W,
    times: number,
    matches?: (told: Extract<Told, { what: W }>) => boolean,
  ): Promise<Extract<Told, { what: W }>[]>
}

const open = new Set<Mesh>()

export interface PeerOptions extends Partial<Omit<MeshOptions, 'handlers'>> {
  readonly fits?: MeshHandlers['fits']
  readonly hello?: (from: PeerId, hello: Hello) => HelloAnswer
  /** Run to enter at once; null for none. */
  readonly run?: RunId | null
}

export async function startPeer(options: PeerOptions = {}): Promise<Peer> {
  const told: Told[] = []
  const waiters = new Set<() => void>()
  const tell = (thing: Told) => {
    told.push(thing)
    for (const wake of [...waiters]) wake()
  }
  const { hello, fits, run = RUN, ...overrides } = options
  const mesh = await createMesh({
    privateKey: await generateIdentity(),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    mdns: false,
    links: [],
    cluster: 'here',
    log: () => {},
    ...overrides,
    handlers: {
      message: (from, message) => tell({ what: 'message', from, message }),
      fits: fits ?? (() => true),
      contribution: (from, manifest, payload) => tell({ what: 'contribution', from, manifest, payload }),
      incomplete: (from, manifest) => tell({ what: 'incomplete', from, manifest }),
      connected: (peer) => tell({ what: 'connected', peer }),
      disconnected: (peer) => tell({ what: 'disconnected', peer }),
      refused: (from, thing, reason) => tell({ what: 'refused', from, thing, reason }),
      transferring: () => {},
      hello: hello ?? (() => ({ accepted: true, genesis: '{}', leader: null, leaderAddresses: [] })),
    },
  })
  open.add(mesh)
  if (run !== null) mesh.enter(run, overrides.cluster ?? 'here')
  const heardTimes: Peer['heardTimes'] = (what, times, matches = () => true) =>
    new Promise((resolve) => {
      const look = () => {
        const found = told.filter(
          (thing): thing is Extract<Told, { what: typeof what }> =>
            thing.what === what && matches(thing as never),
        )
        if (found.length < times) return
        waiters.delete(look)
        resolve(found as never)
      }
      waiters.add(look)
      look()
    })
  return {
    mesh,
    told,
    heardTimes,
    heard: async (what, matches) => (await heardTimes(what, 1, matches))[0],
  }
}

/** Ends every mesh that a test left open; one by one, since two that close at once wait for each other. */
export async function closePeers(): Promise<void> {
  for (const mesh of open) await mesh.close()
  open.clear()
}

/** Has `from` dial `to`; both sides know of it when it resolves. */
export async function join(from: Peer, to: Peer): Promise<void> {
  await from.mesh.dial(to.mesh.addresses()[0])
  await Promise.all([
    from.heard('connected', ({ peer }) => peer === to.mesh.self),
    to.heard('connected', ({ peer }) => peer === from.mesh.self),
  ])
}

/**
 * Publishes pulses on a topic until every listener has heard one: from then on gossip flows. Gossipsub says
 * nothing when a subscription has arrived, but a message that arrives does.
 */
export async function gossips(
  publisher: Peer,
  topic: Parameters<Mesh['publish']>[0],
  listeners: readonly Peer[],
): Promise<void> {
  const heard = (listener: Peer) =>
    listener.told.some((told) => told.what === 'message' && told.from === publisher.mesh.self)
  const all = Promise.all(
    listeners.map((listener) => listener.heard('message', ({ from }) => from === publisher.mesh.self)),
  )
  const knock = setInterval(() => {
    if (!listeners.every(heard)) publisher.mesh.publish(topic, { type: 'leave', reason: 'knock' })
  }, 50)
  await all
  clearInterval(knock)
}

/** Bytes that no two chunks share, from a small generator of its own. */
export function payloadOf(bytes: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / 4))
  let state = seed
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    words[i] = state
  }
  return new Uint8Array(words.buffer, 0, bytes)
}

/** A control message that carries a number. */
export const numbered = (version: number): Message => ({ type: 'want-digest', epoch: 0, term: 1, version })
export const numberOf = (message: Message): number | null =>
  message.type === 'want-digest' ? message.version : null

export const contributionOf = (payload: Uint8Array): Manifest =>
  manifestOf(
    { assignment: 'a7' as never, base: 3, steps: 30, codec: 'fp32', norm: 1.5, speed: 8, loss: 2.4 },
    payload,
    sha256,
  )

/** Resolves when a condition that no event announces holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
