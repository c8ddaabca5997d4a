// How things stand in a run, put together from what its peers say: who leads, who votes, and what the loss of each
// voter would mean.
import { isMajority, toleranceOf } from '../core/configuration.js'
import { type ClusterHead, clusterHeads } from '../core/heads.js'
import type { PeerId } from '../core/ids.js'
import type { NamedPeer, PeerStatus, StatusPath } from '../ports/status.js'

/** What is known of one peer. */
export interface KnownPeer {
  readonly name: string
  readonly id: PeerId
  readonly cluster: string
  readonly role: 'leader' | 'voter' | 'replica' | 'worker'
  /** Whether it is there: by its process where that is on this machine, else by the word of the peer that was asked. */
  readonly up: boolean
  /** What it said itself, and how long ago, seconds; null of a peer that was not asked. */
  readonly own: PeerStatus | null
  readonly ageSeconds: number | null
  /** How the peer that knows most reaches it; null for itself and for those it is not connected to. */
  readonly path: StatusPath | null
}

export interface Loss {
  readonly name: string
  readonly goesOn: boolean
  readonly what: string
}

export interface StatusReport {
  /** The run folder or address that was asked. */
  readonly from: string
  readonly run: string
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
  /** Who was shut out, by name where one is known, else by id. */
  readonly revoked: readonly { readonly who: string; readonly reason: string }[]
  /** By whom other clusters reach each. */
  readonly heads: readonly ClusterHead[]
  readonly version: number
  readonly committed: number
  /** How often what was refused, by all peers asked together. */
  readonly refusals: Readonly<Record<string, number>>
  readonly peers: readonly KnownPeer[]
}

/** What one peer told, and whether it runs. */
export interface Told {
  readonly status: PeerStatus
  readonly running: boolean
}

/** @param told at least one; the one that knows most is believed in what concerns the whole run */
export function statusReport(from: string, told: readonly Told[], now: Date): StatusReport {
  const best = mostKnowing(told)
  const { run, epoch, term, leader, leads, voters, next, tolerance } = best.status
  const peers = knownPeers(told, best.status, now)
  const here = peers.flatMap(({ up, id }) => (up ? [id] : []))
  const sets = voters === null ? null : { voters, next }
  return {
    from,
    run,
    epoch,
    term,
    leader: leader?.name ?? null,
    leads,
    voters: voters?.map(({ name }) => name) ?? null,
    next: next?.map(({ name }) => name) ?? null,
    tolerance: next === null ? tolerance : both(voters, next),
    canGoOn: sets === null ? null : hasMajority(sets, here),
    ifLost: sets === null ? [] : losses(sets, here),
    revoked: best.status.revoked.map(({ who, reason }) => ({
      who: best.status.members.find(({ id }) => id === who)?.name ?? who,
      reason,
    })),
    heads: clusterHeads(best.status),
    version: best.status.version,
    committed: best.status.committed,
    refusals: sums(told.map(({ status }) => status.refusals)),
    peers,
  }
}

/** A peer that runs knows better than one that does not; then the later term counts, the leader's own word, and the longer ledger. */
function mostKnowing(told: readonly Told[]): Told {
  const rank = ({ status, running }: Told) => [
    Number(running),
    status.epoch,
    Number(status.voters !== null),
    status.term,
    Number(status.leader?.id === status.id),
    status.committed,
  ]
  return [...told].sort((a, b) => compare(rank(b), rank(a)))[0]
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, place) => value !== b[place])
  return at < 0 ? 0 : a[at] - b[at]
}

/** Those that were asked, and those that the best informed of them knows of. */
function knownPeers(told: readonly Told[], best: PeerStatus, now: Date): KnownPeer[] {
  const pathTo = (peer: PeerId) => best.paths.find(({ id }) => id === peer) ?? null
  const asked = told.map(({ status, running }): KnownPeer => {
    const { name, id, cluster } = status
    const role = roleOf(id, best, status.voters !== null)
    const ageSeconds = Math.max(0, (now.getTime() - Date.parse(status.time)) / 1000)
    return {
      name,
      id,
      cluster,
      role,
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
      return { name, id, cluster, role, up: present, own: null, ageSeconds: null, path: pathTo(id) }
    }),
  ]
}

function roleOf(id: PeerId, { leader, voters, next }: PeerStatus, replica: boolean): KnownPeer['role'] {
  if (leader?.id === id) return 'leader'
  if ([...(voters ?? []), ...(next ?? [])].some((voter) => voter.id === id)) return 'voter'
  return replica ? 'replica' : 'worker'
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
function losses({ voters, next }: Sets, here: readonly PeerId[]): Loss[] {
  const all = [...voters, ...(next ?? []).filter(({ id }) => !voters.some((voter) => voter.id === id))]
  return all.flatMap(({ id, name }) => {
    if (!here.includes(id)) return []
    const rest = here.filter((peer) => peer !== id)
    const left = all.filter((voter) => rest.includes(voter.id)).map((voter) => voter.name)
    const goesOn = hasMajority({ voters, next }, rest)
    const are = left.length === 0 ? 'nobody is' : `${listed(left)} ${left.length === 1 ? 'is' : 'are'}`
    const what = goesOn
      ? `the run goes on, ${are} a majority; ${moreLosses({ voters, next }, rest)}`
      : `the run stands still until a majority is back: ${are} left of ${all.length} ${all.length === 1 ? 'voter' : 'voters'}`
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
