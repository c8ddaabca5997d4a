// What a peer knows of itself and of its run at one moment: written once a second in its folder, and told to who asks.
import type { AssignmentId, Epoch, Index, PeerId, RunId, Term, Version } from '../core/ids.js'
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

/** How things stand in one swarm, as far as a peer knows. */
export interface SwarmStanding {
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
  readonly version: Version
  /** Ledger index of the last entry committed here. */
  readonly committed: Index
}

/** From who does not hold the outer state of a swarm. */
export const unknownStanding: SwarmStanding = {
  epoch: 0,
  term: 0,
  leader: null,
  leads: null,
  voters: null,
  next: null,
  tolerance: null,
  version: 0,
  committed: 0,
}

/** A cluster as a worker of the swarm above: what came of its reports there. */
export interface ClusterAccount {
  readonly cluster: string
  /** Who spoke for it last; null while nobody has. */
  readonly speaker: NamedPeer | null
  /** False once the leader above has let it go. */
  readonly present: boolean
  /** Applied there, and how many contributions of its own peers they sum up. */
  readonly reports: number
  readonly contributions: number
  /** The version above that its latest applied report made; null before the first. */
  readonly reported: Version | null
  /** The version above that it was given with its present round, to take in; null between rounds. */
  readonly given: Version | null
}

/** The swarm above the clusters; voters null, and no clusters, from a peer that does not hold its outer state. */
export interface AboveStatus extends SwarmStanding {
  readonly clusters: readonly ClusterAccount[]
}

/** Where the own cluster stands with the swarm above, by the cluster's ledger. */
export interface ParentStanding {
  /** Version above whose theta the cluster took in last. */
  readonly merged: Version
  readonly round: AssignmentId | null
  /** Contributions collected for the next report, and how many the round asks for. */
  readonly collected: number
  readonly wanted: number
  /** A report is on its way. */
  readonly reporting: boolean
}

/** Content of `peers/NAME/status.json`. What it says of a swarm is of the own cluster's in a hierarchical run. */
export interface PeerStatus extends NamedPeer, SwarmStanding {
  readonly cluster: string
  readonly pid: number
  readonly run: RunId
  /** When it was so, ISO. */
  readonly time: string
  /** Null in a flat run. */
  readonly above: AboveStatus | null
  /** Null in a flat run, from a pure worker, and before the cluster's first round above. */
  readonly parent: ParentStanding | null
  /** All that a replica's ledger knows; none from a pure worker. */
  readonly members: readonly StatusMember[]
  /** Peers and invitations that were shut out; none from a pure worker. */
  readonly revoked: readonly Revoked[]
  /** Multiaddrs at which the peer can be reached. */
  readonly addresses: readonly string[]
  /** To each peer that it is connected to. */
  readonly paths: readonly StatusPath[]
  /** How often what was refused, since the peer was started. */
  readonly refusals: Readonly<Record<string, number>>
  readonly phase: string
}
