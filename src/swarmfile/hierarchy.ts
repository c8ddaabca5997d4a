// The two kinds of swarm in a hierarchical run: each cluster's own, and the one above, whose workers are the clusters.
import type { HierarchyConfig, RunConfig, StopConfig } from './schema.js'

/** A cluster trains until the swarm above is at its end; it begins with whoever is there. */
export function clusterRun(run: RunConfig): RunConfig {
  return { ...run, stop: endless, startPeers: 1 }
}

const endless: StopConfig = {}

/**
 * The swarm above: its local steps are contributions of a cluster, and one contribution of every cluster is what its
 * first rounds wait for.
 */
export function upperRun(run: RunConfig, hierarchy: HierarchyConfig, clusters: number): RunConfig {
  const { hierarchy: _, ...flat } = run
  return {
    ...flat,
    outer: hierarchy.outer,
    localSteps: hierarchy.contributions,
    replicas: hierarchy.replicas,
    compression: { ...run.compression, codec: hierarchy.codec },
    startPeers: clusters,
    roundsAhead: 0,
  }
}

/** The shards of one cluster: dealt out in turn, so that no two clusters train on the same text. Others have size 0. */
export function shardsOf(sizes: readonly number[], cluster: number, clusters: number): readonly number[] {
  return sizes.map((size, shard) => (shard % clusters === cluster ? size : 0))
}
