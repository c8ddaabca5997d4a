// Whether a run kept its promises, by what its peers recorded: what was wrong is said in words.
import { type RecordOf, type RunRecord, recordsOf, timeOf } from './records.js'

export interface Checked {
  readonly promise: string
  /** What broke it; empty where it was kept. */
  readonly broken: readonly string[]
}

export interface Verdict {
  readonly checked: readonly Checked[]
  /** How many faults of each kind were made. */
  readonly faults: Readonly<Record<string, number>>
  readonly versions: number
  readonly leaders: number
  readonly contributions: number
}

/** With this much time after the last fault and no new version, the run does not go on. */
const patienceMs = 30_000

/** @param records of a run from its beginning, in the order in which they were written */
export function judge(records: readonly RunRecord[]): Verdict {
  const swarms = bySwarm(records)
  const inEach = (check: (records: readonly RunRecord[]) => string[]): string[] =>
    swarms.flatMap(([swarm, theirs]) =>
      check(theirs).map((broken) => (swarm === null ? broken : `in cluster ${swarm}: ${broken}`)),
    )
  const checked: Checked[] = [
    { promise: 'at most one leader per term', broken: inEach(twoLeaders) },
    { promise: "a peer's version only grows", broken: inEach(fallenVersions) },
    { promise: 'equal versions have equal digests', broken: inEach(unequalDigests) },
    { promise: 'no contribution is applied twice', broken: inEach(appliedTwice) },
    { promise: 'no contribution is lost', broken: inEach(lostContributions) },
    ...(swarms.length > 1
      ? [{ promise: 'no report of a cluster is lost', broken: lostReports(records, swarms[0][1]) }]
      : []),
    { promise: 'the ledgers agree, and no deposed leader changes them', broken: inEach(contradictions) },
    { promise: 'the run goes on after the last fault', broken: standstill(swarms[0][1]) },
  ]
  const faults: Record<string, number> = {}
  for (const { what } of recordsOf(records, 'fault')) faults[what] = (faults[what] ?? 0) + 1
  return {
    checked,
    faults,
    versions: greatest(swarms[0][1].map((record) => versionIn(record) ?? 0)),
    leaders: new Set(recordsOf(records, 'leader').map(({ swarm, term }) => `${swarm ?? ''} ${term}`)).size,
    contributions: recordsOf(records, 'contributed').length,
  }
}

/** The run's own swarm first. Clusters of a hierarchical run have swarms of their own: terms, versions, ledgers. */
function bySwarm(records: readonly RunRecord[]): readonly (readonly [string | null, readonly RunRecord[]])[] {
  const clusters = new Set(records.flatMap(({ swarm }) => swarm ?? []))
  const of = (swarm: string | undefined) =>
    records.filter(
      (record) => record.swarm === swarm || record.type === 'run-started' || record.type === 'fault',
    )
  return [[null, of(undefined)], ...[...clusters].map((cluster) => [cluster, of(cluster)] as const)]
}

export const isKept = ({ checked }: Verdict): boolean => checked.every(({ broken }) => broken.length === 0)

function twoLeaders(records: readonly RunRecord[]): string[] {
  const leaderOf = new Map<number, RecordOf<'leader'>>()
  return recordsOf(records, 'leader').flatMap((record) => {
    const { term, id, leader } = record
    const first = leaderOf.get(term) ?? record
    leaderOf.set(term, first)
    return first.id === id ? [] : [`term ${term} was led by ${first.leader} and by ${leader}`]
  })
}

/** A peer that starts again, or gives up what it held, may come to an older version. */
function fallenVersions(records: readonly RunRecord[]): string[] {
  const held = new Map<string, number>()
  return records.flatMap((record) => {
    const { peer } = record
    if (beginsAnew(record)) held.delete(peer)
    if (record.type !== 'digest') return []
    const before = held.get(peer) ?? 0
    held.set(peer, record.version)
    return record.version < before ? [`${peer} fell from version ${before} to ${record.version}`] : []
  })
}

const beginsAnew = (record: RunRecord): boolean =>
  record.type === 'run-started' ||
  record.type === 'recovered' ||
  (record.type === 'refused' && ['own outer state', 'own ledger'].includes(record.what))

interface Digests {
  readonly peer: string
  readonly digest: string
  stateDigest: string | null
}

function unequalDigests(records: readonly RunRecord[]): string[] {
  const known = new Map<number, Digests>()
  return recordsOf(heldSinceRecovery(records), 'digest').flatMap(({ peer, version, digest, stateDigest }) => {
    const first = known.get(version)
    if (first === undefined) {
      known.set(version, { peer, digest, stateDigest })
      return []
    }
    const differs = (a: string | null, b: string | null) => a !== null && b !== null && a !== b
    const state = first.stateDigest
    first.stateDigest ??= stateDigest
    if (!differs(first.digest, digest) && !differs(state, stateDigest)) return []
    const what = differs(first.digest, digest) ? 'theta' : 'outer state'
    return [`version ${version} has one ${what} at ${first.peer} and another at ${peer}`]
  })
}

/** Several leaders may report the same version: each that commits its entry. */
function appliedTwice(records: readonly RunRecord[]): string[] {
  const versionOf = new Map<string, number>()
  return recordsOf(sinceRecovery(records), 'applied').flatMap(({ assignment, worker, version }) => {
    const first = versionOf.get(assignment) ?? version
    versionOf.set(assignment, first)
    if (first === version) return []
    return [`${assignment} of ${worker} was applied as version ${first} and as version ${version}`]
  })
}

/**
 * A contribution without a verdict may still be open, unless its worker got more work since than it may do ahead. A
 * version that nobody reported as applied (its leader died in that moment) may stand for one.
 */
function lostContributions(records: readonly RunRecord[]): string[] {
  const since = sinceRecovery(records)
  const settled = new Set(since.flatMap((record) => settledBy(record) ?? []))
  const ahead = roundsAhead(records)
  const given = recordsOf(since, 'assigned')
  const lost = recordsOf(since, 'contributed').filter(({ peer, assignment }) => {
    if (settled.has(assignment)) return false
    const later = new Set(
      given.flatMap((one) =>
        one.worker === peer && indexOf(one.assignment) > indexOf(assignment) ? [one.assignment] : [],
      ),
    )
    return later.size > ahead
  })
  if (lost.length <= unreportedVersions(since)) return []
  return lost.map(
    ({ peer, assignment }) => `${assignment} of ${peer} was neither applied nor refused nor expired`,
  )
}

/**
 * The last report of a cluster may still be on its way. A version that nobody reported as applied may stand for one.
 *
 * @param above the records of the swarm above
 */
function lostReports(records: readonly RunRecord[], above: readonly RunRecord[]): string[] {
  const settled = new Set(above.flatMap((record) => settledBy(record) ?? []))
  const roundsOf = new Map<string, Set<string>>()
  for (const { swarm = '', round } of recordsOf(records, 'reported'))
    roundsOf.set(swarm, (roundsOf.get(swarm) ?? new Set()).add(round))
  const lost = [...roundsOf].flatMap(([cluster, rounds]) =>
    [...rounds]
      .slice(0, -1)
      .filter((round) => !settled.has(round))
      .map((round) => `${round} of cluster ${cluster} was neither applied nor refused nor expired`),
  )
  return lost.length <= unreportedVersions(above) ? [] : lost
}

function settledBy(record: RunRecord): string | null {
  if (record.type === 'applied' || record.type === 'expired') return record.assignment
  if (record.type !== 'refused' || record.what !== 'contribution') return null
  return /^(a\d+): /.exec(record.reason)?.[1] ?? null
}

/** An assignment's name holds the index of its entry. */
const indexOf = (assignment: string): number => Number(assignment.slice(1))

function roundsAhead(records: readonly RunRecord[]): number {
  const configs = recordsOf(records, 'run-started').map(
    ({ config }) => config as { roundsAhead?: number } | null,
  )
  return greatest(configs.map((config) => config?.roundsAhead ?? 0))
}

function unreportedVersions(records: readonly RunRecord[]): number {
  const applied = new Set(recordsOf(records, 'applied').map(({ version }) => version))
  const made = recordsOf(records, 'digest').map(({ version }) => version)
  return new Set(made.filter((version) => version > 0 && !applied.has(version))).size
}

interface Place {
  readonly peer: string
  readonly term: number
  readonly version: number
  readonly what: string
}

/** Every leader that reports an entry reports the same one, and later entries are of the same term or a later one. */
function contradictions(records: readonly RunRecord[]): string[] {
  const at = new Map<number, Place>()
  const found: string[] = []
  for (const { peer, index, term, version, assignment } of recordsOf(sinceRecovery(records), 'applied')) {
    const first = at.get(index)
    const what = `${assignment} in term ${term} as version ${version}`
    if (first === undefined) at.set(index, { peer, term, version, what })
    else if (first.what !== what)
      found.push(`entry ${index} applies ${first.what} by ${first.peer}, and ${what} by ${peer}`)
  }
  const places = [...at].sort(([a], [b]) => a - b)
  for (const [number, [index, { peer, term, version }]] of places.entries()) {
    const before = places[number - 1]
    if (before === undefined) continue
    if (term < before[1].term)
      found.push(
        `${peer} applied entry ${index} in term ${term}, after entry ${before[0]} of term ${before[1].term}`,
      )
    if (version <= before[1].version)
      found.push(`entry ${index} makes version ${version}, and entry ${before[0]} made ${before[1].version}`)
  }
  return found
}

function standstill(records: readonly RunRecord[]): string[] {
  const ends = recordsOf(records, 'fault').map((record) => timeOf(record) + 1000 * record.forSeconds)
  if (ends.length === 0) return []
  const mended = greatest(ends)
  const isLater = (record: RunRecord) => timeOf(record) > mended
  const before = recordsOf(records, 'applied').filter((record) => !isLater(record))
  const reached = greatest(before.map(({ version }) => version))
  if (recordsOf(records, 'applied').some((record) => isLater(record) && record.version > reached)) return []
  const finished = recordsOf(records, 'run-finished').some(isLater)
  const last = greatest(records.map(timeOf))
  // Ended before it could show anything: there is nothing to hold against it.
  if (!finished && last - mended < patienceMs) return []
  return [
    `no version came after version ${reached}, though the last fault was mended at ${new Date(mended).toISOString()}`,
  ]
}

const versionIn = (record: RunRecord): number | null =>
  record.type === 'digest' || record.type === 'applied' ? record.version : null

/** 0 of none; there may be more of them than a call takes arguments. */
const greatest = (values: readonly number[]): number =>
  values.reduce((most, value) => Math.max(most, value), 0)

/** Less what a peer that came back told of its own until it heard of the recovery. */
function heldSinceRecovery(records: readonly RunRecord[]): readonly RunRecord[] {
  const since = sinceRecovery(records)
  const heardAt = new Map<string, number>()
  for (const [at, record] of since.entries()) {
    const gaveUp = record.type === 'refused' && record.what === 'own ledger'
    if (gaveUp && /recovered this run by force/.test(record.reason)) heardAt.set(record.peer, at)
  }
  return since.filter(({ type, peer }, at) => type !== 'digest' || at > (heardAt.get(peer) ?? -1))
}

/** What others alone held was given up then. */
function sinceRecovery(records: readonly RunRecord[]): readonly RunRecord[] {
  return records.slice(records.findLastIndex(({ type }) => type === 'recovered') + 1)
}
