// What a peer knows of itself and of its run at one moment: written once a second in its folder, and told to who asks.
import type { Epoch, Index, PeerId, RunId, Term, Version } from '../core/ids.js'
import type { PathKind } from './paths.js'

export interface NamedPeer {
  readonly name: string
  readonly id: PeerId
}

/** How a peer reaches another. */
export interface StatusPath {
  readonly id: PeerId
  readonly kind: PathKind
  readonly roundTripMs: number | null
  /** Most bytes in a second of the last minute, both ways. */
  readonly bytesPerSecond: number | null
}

/**
 * From where a member's addresses lead to it: from anywhere, from anywhere by way of a relay, from its own network, or
 * from its own machine at most.
 */
export const memberReaches = ['public', 'relayed', 'lan', 'none'] as const
export type MemberReach = (typeof memberReaches)[number]

export interface StatusMember extends NamedPeer {
  readonly cluster: string
  readonly replica: boolean
  /** False once the leader has let it go. */
  readonly present: boolean
  readonly reach: MemberReach
}

export interface Revoked {
  /** The peer, or the key that names the invitation. */
  readonly who: PeerId
  readonly reason: string
}

/** Content of `peers/NAME/status.json`. */
export interface PeerStatus extends NamedPeer {
  readonly cluster: string
  readonly pid: number
  readonly run: RunId
  /** When it was so, ISO. */
  readonly time: string
  readonly epoch: Epoch
  readonly term: Term
  /** Null while nobody is known to lead. */
  readonly leader: NamedPeer | null
  /** Why the leader leads, in words, where this peer or its log knows. */
  readonly leads: string | null
  /** Who votes; null from a pure worker, which does not know. */
  readonly voters: readonly NamedPeer[] | null
  /** Who is to vote, while the voters change. */
  readonly next: readonly NamedPeer[] | null
  /** What the loss of voters would mean, in words. */
  readonly tolerance: string | null
  /** All that a replica's ledger knows; none from a pure worker. */
  readonly members: readonly StatusMember[]
  /** Peers and invitations that were shut out; none from a pure worker. */
  readonly revoked: readonly Revoked[]
  /** Multiaddrs at which the peer can be reached. */
  readonly addresses: readonly string[]
  /** To each peer that it is connected to. */
  readonly paths: readonly StatusPath[]
  readonly version: Version
  /** Ledger index of the last entry committed here. */
  readonly committed: Index
  /** How often what was refused, since the peer was started. */
  readonly refusals: Readonly<Record<string, number>>
  readonly phase: string
}
