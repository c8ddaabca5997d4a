// What is recorded of a run beside what its peers report: what was done to them.
import type { Epoch, Index } from '../core/ids.js'
import type { EventRecord } from '../core/reports.js'

/**
 * kill: SIGKILL, and started again. pause: SIGSTOP, and SIGCONT. isolate: nothing passes to or from the peer. split: its
 * cluster and the others hear nothing of each other. mute: nobody hears the peer, which still hears the others.
 */
export const faultKinds = ['kill', 'pause', 'isolate', 'split', 'mute'] as const
export type FaultKind = (typeof faultKinds)[number]

/** Who records something that no peer says of itself. */
interface Recorded {
  readonly time: string
  readonly peer: string
}

/** Something was broken on purpose; `peers` are those on the smaller or only side of it. */
export interface FaultRecord extends Recorded {
  readonly swarm?: undefined
  readonly type: 'fault'
  readonly what: FaultKind
  readonly peers: readonly string[]
  readonly forSeconds: number
}

/** A run without a majority of its voters was made to go on with one: `peer` is its only voter from then on. */
export interface RecoveredRecord extends Recorded {
  /** The cluster whose own swarm it was; absent for the run itself. */
  readonly swarm?: string
  readonly type: 'recovered'
  readonly epoch: Epoch
  /** Last entry of the ledger that was held; what others alone had after it is lost. */
  readonly index: Index
  readonly voters: readonly string[]
  readonly reason: string
}

/** A line of events.jsonl. */
export type RunRecord = EventRecord | FaultRecord | RecoveredRecord

export type RecordOf<Type extends RunRecord['type']> = Extract<RunRecord, { type: Type }>

/** Those of one type, in the order in which they stand. */
export function recordsOf<Type extends RunRecord['type']>(
  records: readonly RunRecord[],
  type: Type,
): RecordOf<Type>[] {
  return records.filter((record): record is RecordOf<Type> => record.type === type)
}

/** ms since 1970 */
export const timeOf = ({ time }: RunRecord): number => Date.parse(time)
