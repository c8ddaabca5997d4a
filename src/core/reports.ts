// What a peer reports of itself: the records of events.jsonl, one stream for every view. Every record
// carries `time` (ISO) and `peer` (name of the reporting peer; of `joined` and `left` the one they speak of),
// added where it is written.
import type { Attempt } from '../ports/paths.js'
import type { MemoryReport } from '../ports/trainer.js'
import type { AssignmentId, Hash, Index, PeerId, RunId, Term, Version } from './ids.js'

export type Report =
  | {
      readonly type: 'run-started'
      readonly run: RunId
      readonly name: string
      /** The cluster that the peer is in; absent where an earlier version wrote it. */
      readonly cluster?: string
      readonly config: unknown
      readonly parameters: number
      readonly resumed: boolean
    }
  | {
      readonly type: 'listening'
      readonly id: PeerId
      readonly addresses: readonly string[]
      readonly ticket: string | null
    }
  | {
      readonly type: 'engine'
      readonly engine: string
      readonly reason: string
      readonly threads: number
      readonly stepsPerSecond: number
      /** What training takes; of an engine that is planned. */
      readonly memory?: MemoryReport
    }
  | {
      readonly type: 'joined'
      readonly name: string
      readonly id: PeerId
      readonly cluster: string
      readonly replica: boolean
    }
  | {
      readonly type: 'left'
      readonly name: string
      readonly id: PeerId
      readonly cluster: string
      readonly reason: string
    }
  | {
      readonly type: 'leader'
      readonly term: Term
      readonly leader: string
      readonly id: PeerId
      readonly reason: string
    }
  /** A leader is none any more. */
  | { readonly type: 'deposed'; readonly term: Term; readonly reason: string }
  /** Who votes from now on; while `next` is given, both sets have to agree. */
  | {
      readonly type: 'voters'
      readonly voters: readonly string[]
      readonly next: readonly string[] | null
      readonly reason: string
    }
  | {
      readonly type: 'assigned'
      readonly assignment: AssignmentId
      readonly worker: string
      readonly version: Version
      readonly steps: number
      readonly shard: number
      readonly position: number
      /** Steps per second: the worker's and the fastest's; null before either was measured. */
      readonly speed: number | null
      readonly maxSpeed: number | null
      /** Of the round's first step. */
      readonly learningRate: number
      /** Number of the grace window whose closing led to it. */
      readonly window: number
    }
  | {
      readonly type: 'step-loss'
      readonly assignment: AssignmentId
      readonly version: Version
      readonly step: number
      readonly steps: number
      readonly loss: number
      readonly ms: number
    }
  | {
      readonly type: 'contributed'
      readonly assignment: AssignmentId
      /** What of the parameters it is of; absent where everything is sent at once. */
      readonly fragment?: number
      readonly bytes: number
      readonly codec: string
      readonly norm: number
      readonly loss: number
    }
  /** How a replica that joins, or comes back, gets the parameters. */
  | {
      readonly type: 'catching-up'
      readonly member: string
      readonly by: 'entries' | 'snapshot'
      readonly reason: string
    }
  /** A worker that may choose takes another codec for its contributions. */
  | { readonly type: 'codec-chosen'; readonly codec: string; readonly reason: string }
  | {
      readonly type: 'applied'
      readonly version: Version
      readonly term: Term
      readonly index: Index
      readonly worker: string
      readonly assignment: AssignmentId
      /** As of `contributed`. */
      readonly fragment?: number
      readonly staleness: number
      readonly steps: number
      readonly loss: number
      readonly speed: number
    }
  /** A cluster reported to the swarm above what it has moved, */
  | {
      readonly type: 'reported'
      readonly round: AssignmentId
      readonly contributions: number
      readonly bytes: number
      readonly norm: number
    }
  /** and took up another round there. */
  | {
      readonly type: 'merged'
      readonly version: Version
      readonly round: AssignmentId
      /** Version of the swarm above whose theta was taken in; null if there was no newer one. */
      readonly above: Version | null
    }
  | {
      readonly type: 'expired'
      readonly assignment: AssignmentId
      readonly worker: string
      readonly reason: string
    }
  | {
      readonly type: 'digest'
      readonly version: Version
      readonly digest: Hash
      /** Null from a worker that holds theta alone. */
      readonly stateDigest: Hash | null
    }
  | {
      readonly type: 'validated'
      readonly version: Version
      readonly loss: number
      readonly perplexity: number
    }
  | { readonly type: 'checkpoint'; readonly version: Version; readonly path: string }
  /** Something was not taken: a peer, a message, a contribution, a wrong state. `from` is null when unknown. */
  | { readonly type: 'refused'; readonly what: string; readonly from: string | null; readonly reason: string }
  | { readonly type: 'sample'; readonly version: Version; readonly prompt: string; readonly text: string }
  /** A peer that has no copy of the run's text had its tokens from members. */
  | { readonly type: 'corpus'; readonly bytes: number }
  | { readonly type: 'warning'; readonly message: string }
  /** A call at an address that ended otherwise than the one before it there; where there are many, only some. */
  | ({ readonly type: 'called' } & Omit<Attempt, 'peer'> & { readonly of: PeerId | null })
  | {
      /** A fetch that takes more than a second: about once a second, and at its end. */
      readonly type: 'transfer'
      readonly what: string
      /** Verified so far, of the total. */
      readonly bytes: number
      readonly total: number
      /** Peers that it comes from. */
      readonly donors: number
    }
  | {
      readonly type: 'status'
      /** Once a second: what this peer does, for live views. */
      readonly phase: string
      readonly version: Version
      readonly step: number
      readonly steps: number
      readonly speed: number | null
      readonly bytesSent: number
      readonly bytesReceived: number
    }
  | {
      /** Written by every peer when it ends: its own account. */
      readonly type: 'peer-finished'
      readonly steps: number
      readonly utilisation: number
      readonly emulated: number
      readonly eventLoopP99Ms: number
      readonly bytesSent: Readonly<Record<string, number>>
      readonly bytesReceived: Readonly<Record<string, number>>
      readonly interClusterBytes: number
    }
  | {
      readonly type: 'run-finished'
      readonly reason: string
      readonly versions: number
      readonly steps: number
      readonly tokens: number
      readonly lossBefore: number | null
      readonly loss: number | null
      readonly perplexity: number | null
      readonly seconds: number
      readonly meanStaleness: number
      readonly maxStaleness: number
      /** By peer name: share of wall-clock in local steps, emulated slowdown included. */
      readonly utilisation: Readonly<Record<string, number>>
      /** By purpose, all peers together. */
      readonly bytes: Readonly<Record<string, number>>
      readonly interClusterBytes: number
    }

/** A report as it is written: one JSON object per line. */
export type EventRecord = Report & {
  readonly time: string
  readonly peer: string
  /** The cluster of a hierarchical run whose own swarm it is about; absent for the run itself. */
  readonly swarm?: string
}
