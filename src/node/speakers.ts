// Who speaks for which cluster in the swarm above: whoever said so last in the newest term of the cluster.
import { type PeerId, peerId } from '../core/ids.js'
import type { Voice } from '../core/messages.js'

const prefix = 'cluster:'

/** A cluster as a peer of the swarm above: it is the same worker whoever leads it. */
export const clusterPeer = (cluster: string): PeerId => peerId(`${prefix}${cluster}`)

/** The cluster that a peer of the swarm above is; null for one that is a peer indeed. */
export const clusterOfPeer = (peer: PeerId): string | null =>
  peer.startsWith(prefix) ? peer.slice(prefix.length) : null

export class Speakers {
  readonly #of = new Map<string, { readonly voice: Voice; readonly peer: PeerId }>()

  /** A peer speaks for a cluster. @returns false for one whose term is over: it is not heard */
  hear(voice: Voice, peer: PeerId): boolean {
    const known = this.#of.get(voice.cluster)
    if (known !== undefined && isOlder(voice, known.voice)) return false
    // Of two who say that they lead one term, the first is it: a term has one leader.
    if (known !== undefined && !isOlder(known.voice, voice) && known.peer !== peer) return false
    this.#of.set(voice.cluster, { voice, peer })
    return true
  }

  /** Null while nobody has spoken for it. */
  of(cluster: string): PeerId | null {
    return this.#of.get(cluster)?.peer ?? null
  }

  /** Clusters for which this peer spoke last. */
  clustersOf(peer: PeerId): readonly string[] {
    return [...this.#of].flatMap(([cluster, known]) => (known.peer === peer ? [cluster] : []))
  }
}

const isOlder = (a: Voice, b: Voice): boolean => a.epoch < b.epoch || (a.epoch === b.epoch && a.term < b.term)
