// What peers say to each other. Control messages travel on direct streams; `publish` ones on gossip topics.
// Tensors never ride in a message: they are named by hash and travel in chunks.
import type { Entry, Passage, Role, Verdict } from './entries.js'
import type { AssignmentId, Epoch, Hash, Index, PeerId, Term, Version } from './ids.js'
import type { Manifest } from './manifest.js'

export type { Manifest }

/** What every message of a leader or candidate begins with: whatever is older than what the receiver knows is void. */
interface Fenced {
  readonly epoch: Epoch
  readonly term: Term
}

/** Where a log stands: its last entry's index, and the term that entry is from. */
export interface LogPoint {
  readonly index: Index
  readonly term: Term
}

/** leader -> members: I lead this term, and this is how far the ledger is committed. */
export interface Heartbeat extends Fenced {
  readonly type: 'heartbeat'
  readonly index: Index
  readonly version: Version
  /** The leader's clock when it was sent; the answer brings it back, and the leader's lease counts from it. */
  readonly beat: number
  /** ms that the run has been going on. */
  readonly elapsedMs: number
  /** Ledger index of the newest entry that changed who the replicas are: a worker that knows an older one asks. */
  readonly replicasAt: Index
}
/** member -> leader, the answer to a heartbeat: what I am doing, what I know. */
export interface Pulse extends Fenced {
  readonly type: 'pulse'
  readonly beat: number
  /** Last entry of a replica's log that the leader need not send again; 0 from a pure worker. */
  readonly index: Index
  /** The version held and the digest of its outer state; null while nothing is held. */
  readonly held: { readonly version: Version; readonly stateDigest: Hash } | null
  readonly phase: 'idle' | 'fetching' | 'training' | 'offering'
  /** All that it knows to be its own and open. */
  readonly assignments: readonly AssignmentId[]
  readonly step: number
}
/** peer -> leader: take me in. Whoever does not lead answers with `redirect`. */
export interface Join {
  readonly type: 'join'
  readonly name: string
  readonly cluster: string
  readonly role: Role
  /** Local steps per second measured by a short rehearsal; null when it was not measured. */
  readonly speed: number | null
  /** The assignments it is at: those that a restart left it, or that it went on with while no leader was there. */
  readonly holding: readonly AssignmentId[]
  /** Where the log of the replica it still holds ends, if it holds one. */
  readonly log: LogPoint | null
  readonly addresses: readonly string[]
  /** How it came in: put there by the receiver, who knows it by the certificates that were shown. */
  readonly through: Passage | null
}
/** any peer -> one that asks to be taken in: I do not lead; this is who does, as far as I know. */
export interface Redirect extends Fenced {
  readonly type: 'redirect'
  readonly leader: PeerId | null
  readonly replicas: readonly Address[]
}
/** A replica, and where it can be reached. */
export interface Address {
  readonly peer: PeerId
  readonly addresses: readonly string[]
}
/** leader -> peer: you are in; start from this snapshot. */
export interface Welcome extends Fenced {
  readonly type: 'welcome'
  readonly replica: boolean
  readonly replicas: readonly Address[]
  readonly replicasAt: Index
  /** Peers and invitations that were shut out so far; entries tell of more. */
  readonly revoked: readonly PeerId[]
  /** Outer state for a replica to fetch; null if what it holds can be brought up to date by entries. */
  readonly snapshot: { readonly version: Version; readonly stateDigest: Hash } | null
}
/** leader -> peer: you are not taken in, and why. */
export interface TurnedAway extends Fenced {
  readonly type: 'turned-away'
  readonly reason: string
}
/** leader -> replica: entries that follow `prev` in its log; and how far the ledger is committed. */
export interface Append extends Fenced {
  readonly type: 'append'
  readonly prev: LogPoint
  readonly entries: readonly Entry[]
  readonly commit: Index
}
/** replica -> leader: durable with their payloads up to `index`; or, not `ok`, send again what follows it. */
export interface Appended extends Fenced {
  readonly type: 'appended'
  readonly ok: boolean
  readonly index: Index
}
/** candidate -> voters: may I lead this term? `pre` only asks whether you would say so, and changes nothing. */
export interface AskVote extends Fenced {
  readonly type: 'ask-vote'
  readonly pre: boolean
  readonly last: LogPoint
  /** The leader itself asked for it: its lease is no reason to refuse. */
  readonly transfer: boolean
}
/** voter -> candidate. */
export interface Vote extends Fenced {
  readonly type: 'vote'
  readonly pre: boolean
  readonly granted: boolean
  readonly reason: string
}
/** leader -> the replica that is to lead after it. */
export interface TakeOver extends Fenced {
  readonly type: 'take-over'
}
/** Committed entries, to the workers they concern: by gossip, or once more directly. */
export interface Entries extends Fenced {
  readonly type: 'entries'
  readonly entries: readonly Entry[]
}
/** leader -> worker: how a round ended whose entry is no longer in the log. */
export interface Settled extends Fenced {
  readonly type: 'settled'
  readonly assignment: AssignmentId
  /** Null if that is forgotten, or there never was such a round of this worker. */
  readonly outcome: Verdict['kind'] | null
  /** That it made, if it was applied. */
  readonly version: Version | null
}
/** leader -> all: this version exists, and its state has these digests. */
export interface VersionReady extends Fenced {
  readonly type: 'version'
  readonly version: Version
  /** Digest of theta alone. */
  readonly digest: Hash
  /** Digest of the whole outer state. */
  readonly stateDigest: Hash
}
/** leader -> voters: which state did you make of this version? Two of them differ. */
export interface WantDigest extends Fenced {
  readonly type: 'want-digest'
  readonly version: Version
}
/** voter -> leader: the digest of the outer state; null if it never made that version, or forgot. */
export interface DigestOf extends Fenced {
  readonly type: 'digest-of'
  readonly version: Version
  readonly stateDigest: Hash | null
}
/** leader -> replica: most voters have another state than yours. */
export interface Heal extends Fenced {
  readonly type: 'heal'
  readonly version: Version
  readonly stateDigest: Hash
}
/** worker -> leader: offers a finished contribution (again), to be pulled by hash. */
export interface Offer {
  readonly type: 'offer'
  readonly manifest: Manifest
}
/** worker -> leader: this round failed here and will not come. */
export interface GiveUp {
  readonly type: 'give-up'
  readonly assignment: AssignmentId
  readonly reason: string
}
/** validator -> leader. */
export interface Validated {
  readonly type: 'validated'
  readonly version: Version
  /** nats per token on the held-out part. */
  readonly loss: number
}
/** member -> leader: I leave. */
export interface Leave {
  readonly type: 'leave'
  readonly reason: string
}
/** voter -> leader: shut out a peer, or whoever came in by an invitation. */
export interface ShutOut {
  readonly type: 'shut-out'
  /** The peer, or the key that names the invitation. */
  readonly who: PeerId
  readonly reason: string
}
/** member -> leader, once at the end of a run. */
export interface Farewell {
  readonly type: 'farewell'
  /** Share of wall-clock spent in local steps, and the part of it that emulates a slower device. */
  readonly utilisation: number
  readonly emulated: number
  readonly bytesSent: Readonly<Record<string, number>>
  readonly interClusterBytes: number
  /** Local steps applied in a cluster: the swarm above counts its contributions. The rest sums up its peers then. */
  readonly steps?: number
}

/** What only a leader says; each names its term. */
export type LeaderMessage =
  | Heartbeat
  | Welcome
  | TurnedAway
  | Append
  | TakeOver
  | Entries
  | Settled
  | VersionReady
  | WantDigest
  | Heal
/** What is said to a leader. */
export type MemberMessage =
  | Pulse
  | Join
  | Appended
  | DigestOf
  | Offer
  | GiveUp
  | Validated
  | Leave
  | ShutOut
  | Farewell
/** What voters say to each other about who leads. */
export type ElectionMessage = AskVote | Vote
export type Message = LeaderMessage | MemberMessage | ElectionMessage | Redirect

/** Gossip topics by what they carry; the network scopes them to the run, and to a swarm of it. */
export type Topic =
  | { readonly kind: 'ledger' }
  | { readonly kind: 'assignments'; readonly cluster: string }
  | { readonly kind: 'gradients'; readonly cluster: string }

/** Who speaks for a cluster in the swarm above: the leader of the cluster in this term. A later one speaks instead. */
export interface Voice {
  readonly cluster: string
  readonly epoch: Epoch
  readonly term: Term
}
/** Which swarm of a run a message belongs to, and as whom its sender says it. All null in a flat run. */
export interface Channel {
  /** The cluster whose own swarm it is; null for the only one, or the one above the clusters. */
  readonly swarm: string | null
  /** Its sender says it for a cluster. */
  readonly voice: Voice | null
  /** It is said to whoever speaks for this cluster, not to the peer itself. */
  readonly hearer: string | null
}
export const mainChannel: Channel = { swarm: null, voice: null, hearer: null }
