// A snapshot: the whole outer state at a version, vectors and ledger; and the outer step from one to the next.
import type { OuterBody } from '../core/entries.js'
import type { Hash, Sha256, Version } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import { UserError } from '../core/user-error.js'
import type { RunConfig } from '../swarmfile/schema.js'
import { digestVector } from '../tensor/digest.js'
import { firstNonFinite } from '../tensor/vector.js'
import { applyToFragment, fragmentCount, type WholeState, wholeOf } from './fragments.js'
import { merge, mergedSlot } from './merge.js'
import { initialState, outerOptimizer } from './optimizer.js'

/** What outer steps go by. */
export type OuterRules = Pick<RunConfig, 'outer' | 'hierarchy' | 'fragments'>

/** By which peers compare what they hold at a version. */
export interface StateDigests {
  /** Of theta alone. */
  readonly digest: Hash
  /** Of theta, all slots, phases and version. */
  readonly stateDigest: Hash
}

export interface Snapshot extends StateDigests {
  readonly outer: WholeState
  /** After the entry that made this version, or after a later one that left it as it was. */
  readonly ledger: LedgerState
}

/** The outer step overflowed: it does so on every machine and every time, for all take it to the same bits. */
export class VersionBroken extends UserError {
  constructor(
    readonly version: Version,
    readonly what: string,
  ) {
    super(
      'training',
      `the outer step to version ${version} cannot be taken: ${what}`,
      'start a new run with a lower run.outer.learningRate, from the latest checkpoint if you like (run.warmStart)',
    )
  }
}

export function snapshotOf(outer: WholeState, ledger: LedgerState, sha256: Sha256): Snapshot {
  return { outer, ledger, ...digestState(outer, ledger.version, sha256) }
}

/** Both digests of a state. */
export function digestState(
  { theta, slots, phases }: WholeState,
  version: Version,
  sha256: Sha256,
): StateDigests {
  const ofSlots = Object.entries(slots).map(([name, vector]) => [name, digestVector(vector, sha256)] as const)
  return digestsOf(version, phases, digestVector(theta, sha256), Object.fromEntries(ofSlots), sha256)
}

/**
 * The same from the digests of the vectors. The second is the hash of a text of one line each for version, phases,
 * theta and every slot in name order: no copy of the whole state is made, and theta is hashed once.
 */
export function digestsOf(
  version: Version,
  phases: readonly number[],
  theta: Hash,
  slots: Readonly<Record<string, Hash>>,
  sha256: Sha256,
): StateDigests {
  const lines = [`version ${version}`, `phase ${phases.join(' ')}`, `theta ${theta}`]
  for (const name of Object.keys(slots).sort()) lines.push(`slot ${name} ${slots[name]}`)
  return { digest: theta, stateDigest: sha256(new TextEncoder().encode(lines.join('\n'))) }
}

/** Where a run begins: `theta` and nothing else. */
export function firstSnapshot(
  theta: Float32Array,
  ledger: LedgerState,
  { outer, hierarchy, fragments }: OuterRules,
  sha256: Sha256,
): Snapshot {
  const first = initialState(theta, outerOptimizer(outer.method))
  const { slots, ...rest } = wholeOf(first, fragmentCount({ fragments }))
  const all = hierarchy === undefined ? slots : { ...slots, [mergedSlot]: theta.slice() }
  return snapshotOf({ ...rest, slots: all }, ledger, sha256)
}

/**
 * The outer step of a committed entry.
 *
 * @param ledger after the entry
 * @param vectors what its payloads hold, in their order, flat: of `apply` the pseudo-gradient of its fragment
 * @throws VersionBroken if the step leads to values that are no finite numbers
 */
export function nextSnapshot(
  before: Snapshot,
  entry: OuterBody,
  ledger: LedgerState,
  vectors: readonly Float32Array[],
  rules: OuterRules,
  sha256: Sha256,
): Snapshot {
  const outer = outerStep(before.outer, entry, vectors, rules)
  checkFinite(outer, ledger.version)
  return snapshotOf(outer, ledger, sha256)
}

function outerStep(
  state: WholeState,
  entry: OuterBody,
  [first, sent = null]: readonly (Float32Array | null)[],
  { outer, hierarchy }: OuterRules,
): WholeState {
  if (first === null || first === undefined)
    throw new Error(`version ${entry.version} comes without its payload`)
  if (entry.kind === 'apply') {
    const { fragment = 0, weight } = entry
    return applyToFragment(state, fragment, first, weight, outerOptimizer(outer.method), outer)
  }
  if (hierarchy === undefined)
    throw new Error(`version ${entry.version} is a merge, but there is no swarm above`)
  return merge(state, first, sent, entry.afresh ? { ...hierarchy, carry: false } : hierarchy)
}

/** @throws VersionBroken naming the first value that is no finite number, of theta and then of the slots */
export function checkFinite({ theta, slots }: Pick<WholeState, 'theta' | 'slots'>, version: Version): void {
  for (const [name, vector] of Object.entries({ theta, ...slots })) {
    const bad = firstNonFinite(vector)
    if (bad >= 0) throw new VersionBroken(version, `${name} would be ${vector[bad]} at parameter ${bad}`)
  }
}
