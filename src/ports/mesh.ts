// The port through which a peer speaks with the others: control messages on direct streams, gossip on
// topics, and bulk bytes by name. Identity comes from the connection or the signature.
import type { Hash, PeerId, RunId, Version } from '../core/ids.js'
import type { Address, Channel, Manifest, Message, Topic } from '../core/messages.js'
import type { AddressSource, Attempt, PeerPath } from './paths.js'
import type { PeerStatus } from './status.js'

/** First words on a new connection, before a peer knows the run or is known in it. */
export interface Hello {
  /** The run it belongs to; null for a peer that wants to be told. */
  readonly run: RunId | null
  /** Canonical JSON of the run configuration in its swarm file; null if it came without one. */
  readonly config: string | null
  readonly name: string
}
export type HelloAnswer =
  | {
      readonly accepted: true
      readonly genesis: string
      readonly leader: PeerId | null
      readonly leaderAddresses: readonly string[]
      /** Of who answers, in a run whose clusters are swarms of their own. */
      readonly cluster?: string
    }
  | {
      readonly accepted: false
      readonly reason: string
      /** It is not in a run itself yet: worth asking again. */
      readonly later: boolean
    }

/** What can be fetched over a direct stream. */
export type BulkName =
  /** Parameters of a version: fp32, little-endian, flat. */
  | { readonly kind: 'theta'; readonly version: Version; readonly swarm?: string }
  /** A snapshot: ledger state and whole outer state at a version. */
  | { readonly kind: 'snapshot'; readonly version: Version; readonly swarm?: string }
  /** A contribution's payload. */
  | { readonly kind: 'payload'; readonly hash: Hash }
  /** The run's corpus as token ids: 16 bits, little-endian, those held out last. */
  | { readonly kind: 'corpus' }

/** What a donor gives. It must not change while it is given; whoever takes it finds out. */
export interface BulkContent {
  readonly bytes: number
  /** The bytes from `start` to `end`, as a view where they are in memory. Rejects if they are not there any more. */
  read(start: number, end: number): Uint8Array | Promise<Uint8Array>
  /** Nobody reads it any more. */
  close?(): void
}
/** Answers a donor's requests; null where it does not hold the thing. */
export type BulkSource = (
  name: BulkName,
) => Uint8Array | BulkContent | null | Promise<Uint8Array | BulkContent | null>

/** How far a fetch is. */
export interface Progress {
  /** Verified, what was here before included. */
  readonly bytes: number
  readonly total: number
  /** Peers that it comes from now. */
  readonly donors: number
}
export interface FetchOptions {
  /** Called after every chunk. */
  readonly progress?: (progress: Progress) => void
  /** Bytes that the content may have: a donor that says more is refused before anything is set aside. */
  readonly atMost?: number
  /** Content at hand that may have chunks in common with it, in the same places: those are not fetched. */
  readonly like?: Uint8Array
}

export type Purpose = 'control' | 'gossip' | 'bulk'
export interface Traffic {
  readonly sent: Readonly<Record<Purpose, number>>
  readonly received: Readonly<Record<Purpose, number>>
  /** Application bytes that crossed to or from a peer of another cluster. */
  readonly interClusterSent: number
  readonly interClusterReceived: number
}

/** No connected peer subscribes to a topic: what is published there reaches nobody. */
export class NobodyListens extends Error {
  override readonly name = 'NobodyListens'
  constructor(topic: string) {
    super(`No connected peer subscribes to ${topic}; offer the contribution to the leader directly.`)
  }
}

export interface MeshHandlers {
  message(from: PeerId, message: Message, channel: Channel): void
  /** Whether a contribution may be like this: nothing is set aside for one that may not, it is told of as incomplete. */
  fits(manifest: Manifest, swarm: string | null): boolean
  /** A contribution whose chunks all arrived and match its manifest's hashes. */
  contribution(from: PeerId, manifest: Manifest, payload: Uint8Array, swarm: string | null): void
  /** A manifest whose chunks did not all arrive by gossip in time: to be pulled. */
  incomplete(from: PeerId, manifest: Manifest, swarm: string | null): void
  connected(peer: PeerId): void
  disconnected(peer: PeerId): void
  /** Something was dropped: malformed, oversized, forged, another run's. */
  refused(from: PeerId | null, what: string, reason: string): void
  hello(from: PeerId, hello: Hello): HelloAnswer
  /** A fetch that takes more than a second: told about once a second, and at its end. */
  transferring(what: string, progress: Progress): void
}

export interface Mesh {
  readonly self: PeerId
  /** Own multiaddrs with the peer id. */
  addresses(): readonly string[]
  peers(): readonly PeerId[]
  /** Which cluster a peer is in, for emulated links and the count of inter-cluster bytes. */
  place(peer: PeerId, cluster: string): void
  /** Starts speaking for a run: topics, control and bulk of that run only. */
  enter(run: RunId, cluster: string): void
  /** Dials an address; rejects with a message that says what failed and for which address. */
  dial(address: string): Promise<PeerId>
  /** Calls a peer at these addresses, beside those known, now and whenever it is lost; what is no address of it is passed over. */
  call(peer: PeerId, addresses: readonly string[], by?: AddressSource): void
  /** Asks a connected peer to be let in; where the run is not open to everyone, this is a knock at its door. */
  hello(peer: PeerId, hello: Hello): Promise<HelloAnswer>
  /** Who belongs to the run has changed: hangs up on those who do not any more. */
  reconsider(): void
  /** Asks a connected peer how things stand in its run; of which run it is does not matter. */
  status(peer: PeerId): Promise<PeerStatus>
  /** What is told to who asks for the status. */
  tellStatus(source: () => PeerStatus): void
  /** Queues a control message, in parts if it is too large for one; false if the peer is not connected or its bounded queue is full. */
  send(peer: PeerId, message: Message, channel?: Channel): boolean
  /** @param swarm the cluster whose own swarm is meant; the only one, or the one above, unless given */
  subscribe(topic: Topic, swarm?: string | null): void
  publish(topic: Topic, message: Message, swarm?: string | null): void
  /** Publishes a contribution in paced chunks on a gradients topic; resolves when the last one left. Rejects with NobodyListens if no one would get it. */
  publishContribution(
    topic: Topic,
    manifest: Manifest,
    payload: Uint8Array,
    swarm?: string | null,
  ): Promise<void>
  /** Whether this payload comes by gossip: announced, and neither complete nor given up as `incomplete`. */
  arriving(payload: Hash): boolean
  /**
   * Fetches content from several of `donors` at once, those of the own cluster first, and from others that fetch it too.
   * Every chunk is verified; `expected` is the content's name, null takes what the first donor says that it is. What is
   * large is kept on disk as it comes, and a later fetch of the same goes on from there. Rejects with a UserError that
   * says what every donor answered.
   */
  fetch(
    name: BulkName,
    donors: readonly PeerId[],
    expected: Hash | null,
    options?: FetchOptions,
  ): Promise<Uint8Array>
  /** The same to a file, which is there once it is whole; until then its name ends in `.part`. */
  fetchFile(
    name: BulkName,
    donors: readonly PeerId[],
    expected: Hash | null,
    path: string,
    options?: FetchOptions,
  ): Promise<void>
  serve(source: BulkSource): void
  traffic(): Traffic
  /** The path in use to each connected peer. */
  paths(): readonly PeerPath[]
  /** Multiaddrs of relays through which this peer is reached, and its own if it relays for others. */
  relays(): readonly string[]
  /** The last call at each address, oldest first. */
  attempts(): readonly Attempt[]
  /** Looks for members of a run before it is entered; without ways to other networks nothing happens. */
  seek(run: RunId): void
  /** Asks a connected peer of the run where other members are, and calls them. */
  askForPeers(peer: PeerId): Promise<void>
  /** What is told to members that ask where others are. */
  tellPeers(source: () => readonly Address[]): void
  close(): Promise<void>
}
