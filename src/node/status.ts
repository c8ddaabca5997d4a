// What a peer tells of itself to other programs: who leads and why, who votes, how far it is.
import { toleranceOf } from '../core/configuration.js'
import type { PeerId } from '../core/ids.js'
import { phaseOf } from '../core/pulse.js'
import { entriesOf } from '../core/records.js'
import type { PeerState } from '../core/state.js'
import { reachBy } from '../network/reach/paths.js'
import type { PeerPath } from '../ports/paths.js'
import {
  type AboveStatus,
  type NamedPeer,
  type ParentStanding,
  type PeerStatus,
  type SwarmStanding,
  unknownStanding,
} from '../ports/status.js'
import {
  MAX_STATUS_CLUSTERS,
  MAX_STATUS_MEMBERS,
  MAX_STATUS_PATHS,
  MAX_STATUS_REVOKED,
} from '../wire/status.js'
import { clusterOfPeer } from './speakers.js'

/** What the state does not know. */
interface Told extends Pick<PeerStatus, 'run' | 'pid' | 'time' | 'leads' | 'above'> {
  readonly paths: readonly PeerPath[]
}

/** @param leads why it leads, as it was reported when it began to */
export function statusOf(state: PeerState, { run, pid, time, leads, above, paths }: Told): PeerStatus {
  const { setup, refusals } = state
  const { id, name, cluster } = setup.self
  return {
    name,
    id,
    cluster,
    pid,
    run,
    time,
    ...standingOf(state, leads),
    above,
    parent: parentOf(state),
    members: membersOf(state),
    revoked: revokedOf(state),
    addresses: setup.self.addresses,
    paths: paths.slice(0, MAX_STATUS_PATHS).map(({ peer, kind, roundTripMs, bytesPerSecond }) => ({
      id: peer,
      kind,
      roundTripMs,
      bytesPerSecond,
    })),
    refusals: mostRefused(refusals),
    phase: phaseOf(state),
  }
}

/**
 * Of the swarm above, from what this peer holds of it.
 *
 * @param state null where it holds nothing
 * @param speakerOf who speaks for a cluster
 */
export function aboveStatusOf(
  state: PeerState | null,
  leads: string | null,
  speakerOf: (cluster: string) => PeerId | null,
): AboveStatus {
  if (state === null) return { ...unknownStanding, clusters: [] }
  // What is not committed may come to nothing.
  const ledger = state.replica?.ledger
  const open = Object.values(ledger?.open ?? {})
  const clusters = Object.values(ledger?.members ?? {}).flatMap(
    ({ id, present, contributions: reports, steps, settled }) => {
      const cluster = clusterOfPeer(id)
      if (cluster === null) return []
      const speaker = speakerOf(cluster)
      return {
        cluster,
        speaker: speaker === null ? null : { name: nameOf(state, speaker), id: speaker },
        present,
        reports,
        contributions: steps,
        reported: settled.findLast(({ outcome }) => outcome === 'apply')?.version ?? null,
        given: open.find(({ worker }) => worker === id)?.base ?? null,
      }
    },
  )
  return { ...standingOf(state, leads), clusters: clusters.slice(0, MAX_STATUS_CLUSTERS) }
}

function standingOf(state: PeerState, leads: string | null): SwarmStanding {
  const { epoch, term, leader, replica } = state
  const named = (peer: PeerId): NamedPeer => ({ name: nameOf(state, peer), id: peer })
  const { voters, next } = replica?.configuration ?? { voters: null, next: null }
  return {
    epoch,
    term,
    leader: leader === null ? null : named(leader),
    leads: state.lead === null ? leadsByLog(state) : leads,
    voters: voters?.map(named) ?? null,
    next: next?.map(named) ?? null,
    tolerance: voters === null ? null : toleranceOf(voters.length),
    version: replica?.applied ?? 0,
    committed: replica?.ledger.index ?? 0,
  }
}

function parentOf({ replica }: PeerState): ParentStanding | null {
  const parent = replica?.ledger.parent ?? null
  if (parent === null) return null
  const { version: merged, round, contributions: collected, report } = parent
  return {
    merged,
    round: round?.id ?? null,
    collected,
    wanted: round?.steps ?? 0,
    reporting: report !== null,
  }
}

/** A reason is cut to this many characters: all of them together have to fit a control message. */
const reasonCharacters = 200

/** The newest, as far as they fit. */
function revokedOf({ lead, replica }: PeerState): PeerStatus['revoked'] {
  const revoked = entriesOf(lead?.head.revoked ?? replica?.ledger.revoked ?? {})
  return revoked
    .slice(-MAX_STATUS_REVOKED)
    .map(([who, reason]) => ({ who, reason: reason.slice(0, reasonCharacters) }))
}

/** Kinds that are listed at most: some name a version, and there may be many of those. */
const mostKinds = 50

function mostRefused(refusals: PeerState['refusals']): PeerStatus['refusals'] {
  const most = Object.entries(refusals).sort(([, a], [, b]) => b - a)
  return Object.fromEntries(most.slice(0, mostKinds))
}

/** Why another peer leads: it said so in the first entry of its term. */
function leadsByLog({ replica, term }: PeerState): string | null {
  const begun = replica?.log.findLast((entry) => entry.kind === 'no-op' && entry.term === term)
  return begun?.kind === 'no-op' ? begun.reason : null
}

function membersOf({ lead, replica }: PeerState): PeerStatus['members'] {
  const members = Object.values(lead?.head.members ?? replica?.ledger.members ?? {})
  const listed = [...members]
    .sort((a, b) => Number(b.present) - Number(a.present))
    .slice(0, MAX_STATUS_MEMBERS)
  return listed.map(({ name, id, cluster, replica, present, addresses }) => {
    return { name, id, cluster, replica, present, reach: reachBy(addresses) }
  })
}

function nameOf({ setup: { self }, lead, replica }: PeerState, peer: PeerId): string {
  const members = lead?.head.members ?? replica?.ledger.members
  return members?.[peer]?.name ?? (peer === self.id ? self.name : peer)
}
