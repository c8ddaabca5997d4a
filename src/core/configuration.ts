// Who votes: majorities of one set or of two, which set would be better, and what the loss of a voter would mean.
import type { PeerId } from './ids.js'
import type { Configuration } from './ledger.js'

/** Sizes of a voter set: an even one tolerates no more failures than the odd one below it. */
const sizes = [5, 3, 1] as const

export const isVoter = ({ voters, next }: Configuration, peer: PeerId): boolean =>
  voters.includes(peer) || next?.includes(peer) === true

export const allVoters = ({ voters, next }: Configuration): readonly PeerId[] =>
  next === null ? voters : [...new Set([...voters, ...next])]

/** Whether these peers are a majority of every set in force. */
export function isMajority({ voters, next }: Configuration, peers: readonly PeerId[]): boolean {
  return [voters, ...(next === null ? [] : [next])].every(
    (set) => set.filter((voter) => peers.includes(voter)).length > set.length / 2,
  )
}

/** The largest value that a majority of every set has reached; `of` gives each voter's. */
export function majorityHas({ voters, next }: Configuration, of: (voter: PeerId) => number): number {
  const reached = (set: readonly PeerId[]) => set.map(of).sort((a, b) => b - a)[Math.floor(set.length / 2)]
  return next === null ? reached(voters) : Math.min(reached(voters), reached(next))
}

/** A replica as the leader sees it, when it considers who should vote. */
export interface Candidate {
  readonly id: PeerId
  readonly cluster: string
  /** The leader has not let it go: it may be silent, but not for long. */
  readonly present: boolean
  /** It said that it leaves. */
  readonly left: boolean
  /** It has been there without a gap for long enough, and holds what the leader holds. */
  readonly proved: boolean
}

/**
 * A better voter set than the one in force, with the reason; null to leave it. It grows to three and five with
 * replicas that have proved themselves, takes one of them for a voter that is gone, and shrinks only by voters who
 * said that they leave: those who fell silent may come back, and a set that shrank at each silence would end at two.
 *
 * @param most voters wanted at most
 */
export function betterVoters(
  { voters, next }: Configuration,
  leader: PeerId,
  replicas: readonly Candidate[],
  most: number,
): { readonly voters: readonly PeerId[]; readonly reason: string } | null {
  if (next !== null || !voters.includes(leader)) return null
  const known = new Map(replicas.map((replica) => [replica.id, replica]))
  const others = voters.filter((voter) => voter !== leader)
  const here = [leader, ...others.filter((voter) => known.get(voter)?.present === true)]
  const left = voters.filter((voter) => known.get(voter)?.left === true)
  const spare = replicas.filter(({ id, proved, present }) => proved && present && !voters.includes(id))
  const staying = voters.length - left.length
  const possible = largestSize(Math.min(most, here.length + spare.length))
  const size = Math.max(possible, largestSize(staying))
  const kept = [...here, ...voters.filter((voter) => !here.includes(voter) && !left.includes(voter))]
  const wanted = chosen(kept.slice(0, size), spare, size, leader, known)
  if (wanted.length !== size || sameSet(wanted, voters)) return null
  return { voters: wanted, reason: reasonFor(voters, wanted, left, here) }
}

function largestSize(most: number): number {
  return sizes.find((size) => size <= most) ?? 1
}

/** Fills up with spare replicas, of the clusters first that have the fewest voters; those gone make room for them. */
function chosen(
  kept: readonly PeerId[],
  spare: readonly Candidate[],
  size: number,
  leader: PeerId,
  known: ReadonlyMap<PeerId, Candidate>,
): readonly PeerId[] {
  const gone = kept.filter((voter) => voter !== leader && known.get(voter)?.present !== true)
  const replaced = gone.slice(0, Math.max(0, spare.length - (size - kept.length)))
  const wanted = kept.filter((voter) => !replaced.includes(voter))
  const waiting = [...spare]
  while (wanted.length < size && waiting.length > 0) {
    const votersIn = (cluster: string) => wanted.filter((id) => known.get(id)?.cluster === cluster).length
    waiting.sort((a, b) => votersIn(a.cluster) - votersIn(b.cluster) || (a.id < b.id ? -1 : 1))
    const [first] = waiting.splice(0, 1)
    wanted.push(first.id)
  }
  return wanted
}

function reasonFor(
  before: readonly PeerId[],
  after: readonly PeerId[],
  left: readonly PeerId[],
  here: readonly PeerId[],
): string {
  if (after.length > before.length)
    return `${after.length} replicas have proved themselves: ${toleranceOf(after.length)}`
  if (after.length < before.length)
    return `${left.length === 1 ? 'a voter' : `${left.length} voters`} left, and no replica can take the place`
  return before.some((voter) => left.includes(voter))
    ? 'a replica takes the place of a voter that left'
    : `a replica takes the place of a voter that is gone (${here.length} of ${before.length} were there)`
}

const sameSet = (a: readonly PeerId[], b: readonly PeerId[]): boolean =>
  a.length === b.length && a.every((id) => b.includes(id))

/** What a voter set of this size withstands, in words. */
export function toleranceOf(voters: number): string {
  const lost = Math.ceil(voters / 2) - 1
  if (lost === 0) return `${voters === 1 ? 'one voter' : `${voters} voters`}: not fault-tolerant`
  const even = voters % 2 === 0 ? ', no more than one voter fewer would' : ''
  return `it survives the loss of ${lost === 1 ? 'one voter' : `${lost} voters`}${even}`
}
