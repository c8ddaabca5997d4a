// Who speaks for a cluster in the swarm above: the leader of the cluster, as long as it leads.
import { clusterFarewell } from './conclusion.js'
import type { Assignment } from './entries.js'
import type { Farewell, Manifest } from './messages.js'
import type { PeerState } from './state.js'

/** What is to be done about the cluster's worker above, which lives beside the peer that leads the cluster. */
export type Representation =
  /** Start it; it holds what was reported and not settled. */
  | { readonly type: 'begin'; readonly holding: readonly Manifest[] }
  /** The cluster's report is committed: the round is done. */
  | { readonly type: 'contribute'; readonly manifest: Manifest }
  /** The cluster is at its end, too: its account goes up, for which the swarm above waits. */
  | { readonly type: 'conclude'; readonly account: Farewell }
  /** Somebody else speaks for the cluster, or nobody. */
  | { readonly type: 'end' }

/** What follows for the cluster's worker from what happened to the peer that may lead it. */
export function representation(before: PeerState, after: PeerState): readonly Representation[] {
  const [spoke, speaks] = [speaksFor(before), speaksFor(after)]
  const report = reportOf(after)
  if (!speaks) return spoke ? [...conclusion(after), { type: 'end' }] : []
  if (!spoke) return [{ type: 'begin', holding: report === null ? [] : [report] }]
  const news: Representation[] = []
  if (report !== null && reportOf(before)?.payload !== report.payload)
    news.push({ type: 'contribute', manifest: report })
  return news
}

/**
 * The committed report of a round above: a successor's worker takes that round up once more, and it may be done before.
 * A swarm that was recovered by force may give the name of a round that it lost to another, from another version.
 */
export function reportOfRound(
  state: PeerState,
  { id, base }: Pick<Assignment, 'id' | 'base'>,
): Manifest | null {
  const report = reportOf(state)
  return report?.assignment === id && report.base === base ? report : null
}

function conclusion(state: PeerState): readonly Representation[] {
  const isOver = state.ended && state.finishing !== null
  return isOver ? [{ type: 'conclude', account: clusterFarewell(state) }] : []
}

/** A leader that has made sure of what earlier terms left. */
const speaksFor = ({ lead, ended }: PeerState): boolean => lead?.ready === true && !ended

/** Committed and on its way. */
const reportOf = ({ replica }: PeerState): Manifest | null => replica?.ledger.parent?.report ?? null
