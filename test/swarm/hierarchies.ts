// Ready-made hierarchical swarms for the tests, and what must hold of every one of them.
import assert from 'node:assert/strict'
import type { Entry } from '../../src/core/entries.js'
import type { Hash } from '../../src/core/ids.js'
import { type HierarchyOptions, SimulatedHierarchy } from '../../src/simulate/hierarchy.js'
import { runConfig } from './swarms.js'

const clusters = ['north', 'south', 'east'] as const

/** Three clusters of three, each a little slower than the one before. */
export const nine = clusters.flatMap((cluster, at) =>
  [1, 2, 3].map((number) => ({
    name: `${cluster}-${number}`,
    cluster,
    secondsPerStep: 0.1 + 0.03 * at + 0.01 * number,
  })),
)

export function hierarchy(
  options: Partial<HierarchyOptions> & { changes?: Record<string, unknown> } = {},
): SimulatedHierarchy {
  const { changes, ...rest } = options
  const run = runConfig({
    data: { shards: 6 },
    outer: { bufferSize: 2 },
    hierarchy: { contributions: 4, outer: { bufferSize: 3, momentum: 0.5 } },
    stop: { versions: 30 },
    ...changes,
  })
  return new SimulatedHierarchy({ run, devices: nine, ...rest })
}

const committed = (swarm: { promises: { committed: readonly Entry[] } }) => swarm.promises.committed

/** Payloads of a cluster that were applied above, and those that it counts as applied there. */
export function accounts(run: SimulatedHierarchy, cluster: string): { applied: Hash[]; counted: Hash[] } {
  const { id } = run.above.peer(cluster)
  return {
    applied: committed(run.above).flatMap((entry) =>
      entry.kind === 'apply' && entry.worker === id ? [entry.payload] : [],
    ),
    counted: committed(run.cluster(cluster)).flatMap((entry) =>
      entry.kind === 'merge' && entry.sent !== null ? [entry.sent.payload] : [],
    ),
  }
}

/** What a cluster reported was applied above once, and counted as sent once: the last may not be counted any more. */
export function assertNothingLostOrTwice(run: SimulatedHierarchy): void {
  for (const cluster of run.clusters.keys()) {
    const { applied, counted } = accounts(run, cluster)
    assert.equal(new Set(applied).size, applied.length, `${cluster} was applied twice`)
    assert.deepEqual(counted, applied.slice(0, counted.length), `${cluster} counts what was not applied`)
    assert.ok(
      applied.length - counted.length <= 1,
      `${cluster} does not count ${applied.length - counted.length}`,
    )
  }
}

export function assertAllAgree(run: SimulatedHierarchy): void {
  for (const swarm of [...run.clusters.values(), run.above]) swarm.promises.everyoneAgrees()
}

/** Everybody who runs is at the end of the run. */
export function assertAllFinished(run: SimulatedHierarchy): void {
  for (const swarm of [...run.clusters.values(), run.above])
    for (const { name, memory, outcome } of swarm.peers.values())
      if (memory !== null) assert.equal(outcome, 'finished', `${name} ended as ${outcome}`)
}
