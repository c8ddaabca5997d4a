// How things stand in a run, put together from what its peers say: who leads, who votes, and what the loss of each
// voter would mean.
import { isMajority, toleranceOf } from '../core/configuration.js'
import { type ClusterHead, clusterHeads } from '../core/heads.js'
import type { PeerId } from '../core/ids.js'
import {
  type AboveStatus,
  type ClusterAccount,
  type NamedPeer,
  type ParentStanding,
  type PeerStatus,
  type StatusPath,
  type SwarmStanding,
  unknownStanding,
} from '../ports/status.js'

/** What is known of one peer. */
export interface KnownPeer {
  readonly name: string
  readonly id: PeerId
  readonly cluster: string
  /** In the run, or in the own swarm of its cluster. */
  readonly role: Role
  /** In the swarm above the clusters; null in a flat run, and for those that have no part in it. */
  readonly above: Exclude<Role, 'worker'> | null
  /** Whether it is there: by its process where that is on this machine, else by the word of the peer that was asked. */
  readonly up: boolean
  /** What it said itself, and how long ago, seconds; null of a peer that was not asked. */
  readonly own: PeerStatus | null
  readonly ageSeconds: number | null
  /** How the peer that knows most reaches it; null for itself and for those it is not connected to. */
  readonly path: StatusPath | null
}

type Role = 'leader' | 'voter' | 'replica' | 'worker'

export interface Loss {
  readonly name: string
  readonly goesOn: boolean
  readonly what: string
}

/** How things stand in one swarm. */
export interface SwarmReport {
  readonly epoch: number
  readonly term: number
  readonly leader: string | null
  /** Why that one leads, if anybody asked knows. */
  readonly leads: string | null
  readonly voters: readonly string[] | null
  /** The voters to be, while both sets have to agree. */
  readonly next: readonly string[] | null
  readonly tolerance: string | null
  /** Whether a majority of the voters is there now. */
  readonly canGoOn: boolean | null
  readonly ifLost: readonly Loss[]
  readonly version: number
  readonly committed: number
}

/** A cluster of a hierarchical run: its own swarm, and what it has to do with the one above. */
export interface ClusterReport extends SwarmReport {
  readonly cluster: string
  /** False where nobody of it was asked: then nothing is known of its own swarm. */
  readonly asked: boolean
  /** Null where nobody who was asked holds the outer state above. */
  readonly account: ClusterAccount | null
  /** Null where nobody of its replicas was asked, and before its first round above. */
  readonly parent: ParentStanding | null
}

/** Of the run; of a hierarchical one, what concerns the run as a whole is of the swarm above. */
export interface StatusReport extends SwarmReport {
  /** The run folder or address that was asked. */
  readonly from: string
  readonly run: string
  /** None in a flat run. */
  readonly clusters: readonly ClusterReport[]
  /** Who was shut out, by name where one is known, else by id. */
  readonly revoked: readonly { readonly who: string; readonly reason: string }[]
  /** By whom other clusters reach each. */
  readonly heads: readonly ClusterHead[]
  /** How often what was refused, by all peers asked together. */
  readonly refusals: Readonly<Record<string, number>>
  readonly peers: readonly KnownPeer[]
}

/** What one peer told, and whether it runs. */
export interface Told {
  readonly status: PeerStatus
  readonly running: boolean
}

/** @param told at least one; the one that knows most is believed in what concerns a whole swarm */
export function statusReport(from: string, told: readonly Told[], now: Date): StatusReport {
  const groups = bySwarm(told)
  const { status: best } = mostKnowing(told, ofRun)
  const peers = groups.flatMap((group) => knownPeers(group, best.above, now))
  const here = peers.flatMap(({ up, id }) => (up ? [id] : []))
  const members = groups.flatMap((group) => mostKnowing(group, own).status.members)
  return {
    from,
    run: best.run,
    ...swarmReport(best.above ?? best, here),
    clusters: best.above === null ? [] : clusterReports(groups, best.above, here),
    revoked: best.revoked.map(({ who, reason }) => ({
      who: members.find(({ id }) => id === who)?.name ?? who,
      reason,
    })),
    heads: clusterHeads({ ...best, members }),
    refusals: sums(told.map(({ status }) => status.refusals)),
    peers,
  }
}

const own = ({ status }: Told): SwarmStanding => status
const ofRun = ({ status }: Told): SwarmStanding => status.above ?? status

/** Those who are in one swarm together: of a hierarchical run, the peers of each cluster. */
function bySwarm(told: readonly Told[]): readonly (readonly Told[])[] {
  if (told.every(({ status }) => status.above === null)) return [told]
  const clusters = new Set(told.map(({ status }) => status.cluster))
  return [...clusters].map((cluster) => told.filter(({ status }) => status.cluster === cluster))
}

/** @param subject what goes on or stands still */
function swarmReport(standing: SwarmStanding, here: readonly PeerId[], subject = 'the run'): SwarmReport {
  const { epoch, term, leader, leads, voters, next, tolerance, version, committed } = standing
  const sets = voters === null ? null : { voters, next }
  return {
    epoch,
    term,
    leader: leader?.name ?? null,
    leads,
    voters: voters?.map(({ name }) => name) ?? null,
    next: next?.map(({ name }) => name) ?? null,
    tolerance: next === null ? tolerance : both(voters, next),
    canGoOn: sets === null ? null : hasMajority(sets, here),
    ifLost: sets === null ? [] : losses(sets, here, subject),
    version,
    committed,
  }
}

/** Those whose members were asked, and those that the swarm above knows of besides. */
function clusterReports(
  groups: readonly (readonly Told[])[],
  { clusters: accounts }: AboveStatus,
  here: readonly PeerId[],
): readonly ClusterReport[] {
  const asked = groups.map((group): ClusterReport => {
    const { status } = mostKnowing(group, own)
    const { cluster, parent } = status
    const account = accounts.find((one) => one.cluster === cluster) ?? null
    return { cluster, asked: true, ...swarmReport(status, here, 'the cluster'), account, parent }
  })
  const others = accounts.filter(({ cluster }) => !asked.some((one) => one.cluster === cluster))
  return [
    ...asked,
    ...others.map((account): ClusterReport => {
      const { cluster } = account
      return { cluster, asked: false, ...swarmReport(unknownStanding, here), account, parent: null }
    }),
  ]
}

/**
 * A peer that runs knows better than one that does not; then the later term counts, the leader's own word, and the
 * longer ledger.
 *
 * @param of what it says of the swarm in question
 */
function mostKnowing(told: readonly Told[], of: (told: Told) => SwarmStanding): Told {
  const rank = (one: Told) => {
    const { epoch, voters, term, leader, committed } = of(one)
    const leads = Number(leader?.id === one.status.id)
    return [Number(one.running), epoch, Number(voters !== null), term, leads, committed]
  }
  return [...told].sort((a, b) => compare(rank(b), rank(a)))[0]
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, place) => value !== b[place])
  return at < 0 ? 0 : a[at] - b[at]
}

/** Those that were asked, and those that the best informed of them knows of. @param told of one swarm */
function knownPeers(told: readonly Told[], bestAbove: AboveStatus | null, now: Date): KnownPeer[] {
  const best = mostKnowing(told, own).status
  const pathTo = (peer: PeerId) => best.paths.find(({ id }) => id === peer) ?? null
  const asked = told.map(({ status, running }): KnownPeer => {
    const { name, id, cluster } = status
    const ageSeconds = Math.max(0, (now.getTime() - Date.parse(status.time)) / 1000)
    return {
      name,
      id,
      cluster,
      role: roleOf(id, best, status.voters !== null),
      above: roleAbove(id, bestAbove, status.above),
      up: running,
      own: status,
      ageSeconds,
      path: running ? pathTo(id) : null,
    }
  })
  const others = best.members.filter(
    ({ id, name, present }) =>
      !asked.some((one) => one.id === id) && (present || !asked.some((one) => one.name === name)),
  )
  return [
    ...asked,
    ...others.map(({ name, id, cluster, replica, present }): KnownPeer => {
      const role = roleOf(id, best, replica)
      const above = roleAbove(id, bestAbove, null)
      return { name, id, cluster, role, above, up: present, own: null, ageSeconds: null, path: pathTo(id) }
    }),
  ]
}

function roleOf(id: PeerId, { leader, voters, next }: SwarmStanding, replica: boolean): Role {
  if (leader?.id === id) return 'leader'
  if ([...(voters ?? []), ...(next ?? [])].some((voter) => voter.id === id)) return 'voter'
  return replica ? 'replica' : 'worker'
}

/** @param own what it says itself of the swarm above */
function roleAbove(id: PeerId, best: AboveStatus | null, own: AboveStatus | null): KnownPeer['above'] {
  const role = best === null ? 'worker' : roleOf(id, best, own !== null && own.voters !== null)
  return role === 'worker' ? null : role
}

interface Sets {
  readonly voters: readonly NamedPeer[]
  readonly next: readonly NamedPeer[] | null
}

const ids = (peers: readonly NamedPeer[]): readonly PeerId[] => peers.map(({ id }) => id)

function hasMajority({ voters, next }: Sets, here: readonly PeerId[]): boolean {
  return isMajority({ voters: ids(voters), next: next && ids(next), index: 0, epoch: 0 }, here)
}

/** What the loss of each voter that is there would mean. */
function losses({ voters, next }: Sets, here: readonly PeerId[], subject: string): Loss[] {
  const all = [...voters, ...(next ?? []).filter(({ id }) => !voters.some((voter) => voter.id === id))]
  return all.flatMap(({ id, name }) => {
    if (!here.includes(id)) return []
    const rest = here.filter((peer) => peer !== id)
    const left = all.filter((voter) => rest.includes(voter.id)).map((voter) => voter.name)
    const goesOn = hasMajority({ voters, next }, rest)
    const are = left.length === 0 ? 'nobody is' : `${listed(left)} ${left.length === 1 ? 'is' : 'are'}`
    const what = goesOn
      ? `${subject} goes on, ${are} a majority; ${moreLosses({ voters, next }, rest)}`
      : `${subject} stands still until a majority is back: ${are} left of ${all.length} ${all.length === 1 ? 'voter' : 'voters'}`
    return [{ name, goesOn, what }]
  })
}

/** How many more of those left may die: the set that is next to its limit decides. */
function moreLosses({ voters, next }: Sets, left: readonly PeerId[]): string {
  const spare = [voters, ...(next === null ? [] : [next])].map(
    (set) => set.filter(({ id }) => left.includes(id)).length - (Math.floor(set.length / 2) + 1),
  )
  const more = Math.min(...spare)
  if (more === 0) return 'no further loss is survived'
  return more === 1 ? 'one further loss is survived' : `${more} further losses are survived`
}

const both = (voters: readonly NamedPeer[] | null, next: readonly NamedPeer[]): string =>
  `until both sets have agreed: ${toleranceOf(voters?.length ?? 1)}; then: ${toleranceOf(next.length)}`

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`

function sums(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {}
  for (const count of counts)
    for (const [what, number] of Object.entries(count)) total[what] = (total[what] ?? 0) + number
  return total
}
