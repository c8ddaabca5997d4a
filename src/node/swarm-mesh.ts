// The network as one swarm of a hierarchical run uses it: the same connections, with messages, topics and names of its own.
import type { PeerId } from '../core/ids.js'
import { type Channel, type Message, mainChannel } from '../core/messages.js'
import type { BulkName, Mesh } from '../ports/mesh.js'

/** What a swarm asks of the network. */
export type SwarmMesh = Pick<
  Mesh,
  | 'self'
  | 'place'
  | 'call'
  | 'send'
  | 'subscribe'
  | 'publish'
  | 'publishContribution'
  | 'arriving'
  | 'fetch'
  | 'traffic'
>

/** A cluster's own swarm. */
export function clusterMesh(mesh: Mesh, swarm: string): SwarmMesh {
  const channel: Channel = { ...mainChannel, swarm }
  const named = (name: BulkName): BulkName =>
    name.kind === 'theta' || name.kind === 'snapshot' ? { ...name, swarm } : name
  return {
    self: mesh.self,
    place: (peer, cluster) => mesh.place(peer, cluster),
    call: (peer, addresses) => mesh.call(peer, addresses),
    send: (peer, message) => mesh.send(peer, message, channel),
    subscribe: (topic) => mesh.subscribe(topic, swarm),
    publish: (topic, message) => mesh.publish(topic, message, swarm),
    publishContribution: (topic, manifest, payload) =>
      mesh.publishContribution(topic, manifest, payload, swarm),
    arriving: (payload) => mesh.arriving(payload),
    fetch: (name, donors, expected, options) => mesh.fetch(named(name), donors, expected, options),
    traffic: () => mesh.traffic(),
  }
}

/** The swarm above, in which clusters are peers too: `reach` says over which connections they are reached. */
export function upperMesh(
  mesh: Mesh,
  reach: {
    readonly send: (to: PeerId, message: Message) => boolean
    /** Whoever speaks for a cluster, in place of it. */
    readonly peers: (donors: readonly PeerId[]) => readonly PeerId[]
    /** What this peer's own cluster holds. */
    readonly here: (name: BulkName) => Promise<Uint8Array | null>
  },
): SwarmMesh {
  return {
    self: mesh.self,
    place: (peer, cluster) => mesh.place(peer, cluster),
    call: (peer, addresses) => mesh.call(peer, addresses),
    send: (peer, message) => reach.send(peer, message),
    subscribe: (topic) => mesh.subscribe(topic),
    publish: (topic, message) => mesh.publish(topic, message),
    publishContribution: (topic, manifest, payload) => mesh.publishContribution(topic, manifest, payload),
    arriving: (payload) => mesh.arriving(payload),
    fetch: async (name, donors, expected, options) =>
      (await reach.here(name)) ?? mesh.fetch(name, reach.peers(donors), expected, options),
    traffic: () => mesh.traffic(),
  }
}
