// What a peer tells of itself to other programs: who leads and why, who votes, how far it is.
import { toleranceOf } from '../core/configuration.js'
import type { PeerId } from '../core/ids.js'
import { entriesOf } from '../core/records.js'
import type { PeerState } from '../core/state.js'
import { phaseOf } from '../core/worker.js'
import { reachBy } from '../network/reach/paths.js'
import type { PeerPath } from '../ports/paths.js'
import type { NamedPeer, PeerStatus } from '../ports/status.js'
import { MAX_STATUS_MEMBERS, MAX_STATUS_PATHS, MAX_STATUS_REVOKED } from '../wire/status.js'

/** What the state does not know. */
interface Told extends Pick<PeerStatus, 'run' | 'pid' | 'time' | 'leads'> {
  readonly paths: readonly PeerPath[]
}

/** @param leads why it leads, as it was reported when it began to */
export function statusOf(state: PeerState, { run, pid, time, leads, paths }: Told): PeerStatus {
  const { setup, epoch, term, leader, replica, refusals } = state
  const { id, name, cluster } = setup.self
  const named = (peer: PeerId): NamedPeer => ({ name: nameOf(state, peer), id: peer })
  const { voters, next } = replica?.configuration ?? { voters: null, next: null }
  return {
    name,
    id,
    cluster,
    pid,
    run,
    time,
    epoch,
    term,
    leader: leader === null ? null : named(leader),
    leads: state.lead === null ? leadsByLog(state) : leads,
    voters: voters?.map(named) ?? null,
    next: next?.map(named) ?? null,
    tolerance: voters === null ? null : toleranceOf(voters.length),
    members: membersOf(state),
    revoked: revokedOf(state),
    addresses: setup.self.addresses,
    paths: paths.slice(0, MAX_STATUS_PATHS).map(({ peer, kind, roundTripMs, bytesPerSecond }) => ({
      id: peer,
      kind,
      roundTripMs,
      bytesPerSecond,
    })),
    version: replica?.applied ?? 0,
    committed: replica?.ledger.index ?? 0,
    refusals: mostRefused(refusals),
    phase: phaseOf(state),
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
