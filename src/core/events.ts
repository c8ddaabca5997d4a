// What happens to a peer, and what it wants done: the two halves of `step(state, event) -> [state, effects]`.
import type { CodecName } from './codec-names.js'
import type { Assignment, Entry, OuterBody, ParentRound, Verdict } from './entries.js'
import type { AssignmentId, Epoch, Hash, Index, PeerId, Term, Version } from './ids.js'
import type { LedgerState } from './ledger.js'
import type { LogPoint, Manifest, Message, Topic } from './messages.js'
import type { Report } from './reports.js'

/** Named so that setting a timer again moves it. */
export type TimerName =
  | 'heartbeat'
  | 'election'
  | 'leaving'
  | 'grace'
  | 'gather'
  | 'rejoin'
  | 'reoffer'
  | 'retry-apply'
  | 'time-limit'
  | 'farewell'

/** A round that the swarm above gives the cluster. */
export interface ParentOffer {
  readonly round: ParentRound
  /** Of the theta that it starts from. */
  readonly digest: Hash
  /** How the cluster's contribution before it ended; null if there was none, as far as its worker knows. */
  readonly verdict: {
    readonly assignment: AssignmentId
    readonly outcome: Verdict['kind'] | null
  } | null
}

/** What happens to a peer, as its source knows it. */
export type NewEvent =
  | {
      /** Everything local is ready; `holding` are the finished contributions that survived a restart, oldest first. */
      readonly type: 'started'
      readonly speed: number | null
      readonly holding: readonly Manifest[]
    }
  | { readonly type: 'message'; readonly from: PeerId; readonly message: Message }
  | { readonly type: 'connected'; readonly peer: PeerId }
  | { readonly type: 'disconnected'; readonly peer: PeerId }
  | { readonly type: 'timer'; readonly name: TimerName }
  /** The own log is durable up to this entry, which is of this term. */
  | { readonly type: 'persisted'; readonly index: Index; readonly term: Term }
  /** A payload that the ledger names is here and durable. */
  | { readonly type: 'payload-held'; readonly payload: Hash }
  | { readonly type: 'payload-failed'; readonly payload: Hash; readonly reason: string }
  /** A snapshot up to this entry is durable. */
  | { readonly type: 'snapshot-saved'; readonly index: Index; readonly term: Term }
  /** A contribution is here, checked (`problem` says what is wrong with it) and, if sound, durable. */
  | {
      readonly type: 'contribution'
      readonly from: PeerId
      readonly manifest: Manifest
      readonly problem: string | null
    }
  /** Chunks of a contribution did not arrive by gossip. */
  | { readonly type: 'contribution-incomplete'; readonly from: PeerId; readonly manifest: Manifest }
  | { readonly type: 'pull-failed'; readonly manifest: Manifest; readonly reason: string }
  | {
      readonly type: 'outer-applied'
      readonly version: Version
      readonly digest: Hash
      readonly stateDigest: Hash
    }
  /** `lasting`: the same everywhere and every time; else its payload may still be had. */
  | {
      readonly type: 'outer-failed'
      readonly version: Version
      readonly reason: string
      readonly lasting: boolean
    }
  | {
      readonly type: 'snapshot-installed'
      readonly ledger: LedgerState
      readonly digest: Hash
      readonly stateDigest: Hash
    }
  | { readonly type: 'snapshot-failed'; readonly reason: string }
  | { readonly type: 'theta-ready'; readonly version: Version }
  | { readonly type: 'theta-failed'; readonly version: Version; readonly reason: string }
  | {
      readonly type: 'stepped'
      readonly assignment: AssignmentId
      readonly step: number
      readonly loss: number
      readonly ms: number
    }
  /** A round is done and its contribution durable. */
  | { readonly type: 'trained'; readonly manifest: Manifest }
  /** Publishing the own contribution has ended, well or not. */
  | { readonly type: 'contribution-published'; readonly assignment: AssignmentId }
  | { readonly type: 'training-failed'; readonly assignment: AssignmentId; readonly reason: string }
  | { readonly type: 'validated'; readonly version: Version; readonly loss: number }
  | { readonly type: 'validation-failed'; readonly version: Version; readonly reason: string }
  /** To the leader of a cluster: the swarm above gives it a round, whose theta is durable here. */
  | ({ readonly type: 'parent-round' } & ParentOffer)
  | { readonly type: 'parent-finished'; readonly reason: string; readonly ok: boolean }
  /** What the cluster has moved is durable here as bytes. */
  | { readonly type: 'report-made'; readonly manifest: Manifest }
  | { readonly type: 'report-failed'; readonly round: AssignmentId; readonly reason: string }
  /** This peer is reached at other addresses than before. */
  | { readonly type: 'moved'; readonly addresses: readonly string[] }
  | { readonly type: 'stop-requested' }
  /** The user of this peer wants a peer, or those who came in by an invitation, shut out. */
  | { readonly type: 'shut-out-requested'; readonly who: PeerId; readonly reason: string }

/** What a replica must never forget: its term, whom it gave its vote in it, and the epoch. */
export interface HardState {
  readonly term: Term
  readonly vote: PeerId | null
  readonly epoch: Epoch
}

export interface Outgoing {
  readonly to: PeerId
  readonly message: Message
}

/** An event with the time at which the peer takes it: its monotonic clock, ms. */
export type PeerEvent = NewEvent & { readonly at: number }

export type Effect =
  | { readonly type: 'send'; readonly to: PeerId; readonly message: Message }
  | { readonly type: 'publish'; readonly topic: Topic; readonly message: Message }
  | { readonly type: 'subscribe'; readonly topic: Topic }
  /** The leader learned which cluster a peer is in. */
  | { readonly type: 'place'; readonly peer: PeerId; readonly cluster: string }
  /** A peer that this one has to reach, and where it is said to be. */
  | { readonly type: 'call'; readonly peer: PeerId; readonly addresses: readonly string[] }
  /** A peer or an invitation was revoked: whoever is concerned is hung up on, and let in no more. */
  | { readonly type: 'shut-out'; readonly who: PeerId }
  /** `spreadMs`: up to this much later, drawn at random. */
  | {
      readonly type: 'set-timer'
      readonly name: TimerName
      readonly afterMs: number
      readonly spreadMs?: number
    }
  | { readonly type: 'cancel-timer'; readonly name: TimerName }
  /**
   * Make it durable, in order with all before it; then send `thenSend`, and say `persisted` of the last entry. An entry
   * whose index is held already replaces that one and all after it.
   */
  | {
      readonly type: 'persist'
      readonly hard: HardState | null
      readonly entries: readonly Entry[]
      readonly thenSend: readonly Outgoing[]
    }
  /** Pull a payload that the ledger names, check it, make it durable. */
  | { readonly type: 'hold-payload'; readonly payload: Hash; readonly donors: readonly PeerId[] }
  /** Payloads that no entry to be replayed names; one that is just being written, for its bytes came again, stays. */
  | { readonly type: 'drop-payloads'; readonly payloads: readonly Hash[] }
  /** Make the outer state of this version durable, with the ledger as it was after `ledger.index`. */
  | { readonly type: 'save-snapshot'; readonly version: Version; readonly ledger: LedgerState }
  /** The log and its snapshots belong to another history: none of it may be there after a restart. */
  | { readonly type: 'forget-replica' }
  /** Durable snapshots cover the log up to here: it is forgotten, all of it where it has another entry here, or none. */
  | { readonly type: 'compact'; readonly base: LogPoint }
  /** Take the outer step of a committed entry; its payloads are local or with one of the donors. */
  | {
      readonly type: 'apply-outer'
      readonly entry: OuterBody
      /** The ledger's state after that entry: what a snapshot at this version holds. */
      readonly ledger: LedgerState
      readonly version: Version
      readonly donors: readonly PeerId[]
    }
  /** One that ends before entry `least` is not taken: what was acknowledged and forgotten since would be missing. */
  | {
      readonly type: 'fetch-snapshot'
      readonly version: Version
      readonly stateDigest: Hash
      readonly least: Index
      readonly donors: readonly PeerId[]
    }
  | {
      readonly type: 'fetch-theta'
      readonly version: Version
      readonly digest: Hash
      readonly donors: readonly PeerId[]
    }
  /** Pull a contribution's payload from its worker, check it and make it durable. */
  | { readonly type: 'pull-contribution'; readonly from: PeerId; readonly manifest: Manifest }
  /**
   * Train from version `base` less the own contributions `without`, which it does not have in it; and code what comes of
   * it by `codec`.
   */
  | {
      readonly type: 'train'
      readonly assignment: Assignment
      readonly base: Version
      readonly without: readonly AssignmentId[]
      readonly codec: CodecName
    }
  | { readonly type: 'abort-training' }
  /** Make the bytes of what the cluster has moved by now and not reported, for a round of the swarm above. */
  | {
      readonly type: 'make-report'
      readonly round: ParentRound
      readonly codec: CodecName
      /** Contributions per second. */
      readonly speed: number
      /** Mean over the contributions. */
      readonly loss: number
    }
  /** Publish a finished contribution on the gradients topic of the own cluster. */
  | { readonly type: 'publish-contribution'; readonly topic: Topic; readonly manifest: Manifest }
  /** The verdict on the own contribution is known; its record is no longer needed. */
  | {
      readonly type: 'forget-contribution'
      readonly assignment: AssignmentId
      /** Null if it was settled without this peer's hearing how. */
      readonly outcome: Verdict['kind'] | null
    }
  | { readonly type: 'validate'; readonly version: Version }
  | { readonly type: 'checkpoint'; readonly version: Version; readonly loss: number | null }
  | { readonly type: 'say-farewell'; readonly to: PeerId }
  | { readonly type: 'report'; readonly report: Report }
  /** The peer's part is over. */
  | {
      readonly type: 'end'
      readonly outcome: 'finished' | 'failed' | 'stopped' | 'turned-away'
      readonly reason: string
    }

export type EffectOf<Type extends Effect['type']> = Extract<Effect, { type: Type }>
