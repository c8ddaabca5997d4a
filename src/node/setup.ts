// What the core and the engine are told about a run: derived from its genesis, the data and this peer's options.
import type { HeldState, PeerSetup } from '../core/state.js'
import { type ModelConfig, resolveModel } from '../model/config.js'
import { layoutOf } from '../model/parameters.js'
import { shardSizes } from '../outer/batches.js'
import { shardScheduleSteps } from '../outer/learning-rate.js'
import type { Mesh } from '../ports/mesh.js'
import type { TrainerSetup } from '../ports/trainer.js'
import type { Genesis } from '../swarmfile/genesis.js'
import { clusterRun, shardsOf, upperRun } from '../swarmfile/hierarchy.js'
import { scheduledSteps } from '../swarmfile/schedule.js'
import type { HierarchyConfig, StopConfig } from '../swarmfile/schema.js'
import { MAX_ADDRESS_CHARS, MAX_ADDRESSES } from '../wire/fields.js'
import type { Dataset } from './dataset.js'
import type { PeerOptions } from './options.js'
import { clusterPeer } from './speakers.js'

/** Figures of a run that follow from its genesis and data. */
export interface RunFigures {
  readonly model: ModelConfig
  /** Sequences per shard. */
  readonly shardSizes: readonly number[]
  /** Local steps scheduled per shard. */
  readonly scheduleSteps: readonly number[]
  readonly tokensPerStep: number
}

export function runFigures({ run }: Genesis, { tokens }: Dataset): RunFigures {
  const model = resolveModel(run.model, tokens.vocabulary)
  const sizes = shardSizes(tokens.train.length, run.data.shards, model.context)
  const tokensPerStep = run.inner.batch * model.context
  const scheduleSteps = shardScheduleSteps(scheduledSteps(run, tokensPerStep), sizes)
  return { model, shardSizes: sizes, scheduleSteps, tokensPerStep }
}

export function trainerSetup(
  { run }: Genesis,
  dataset: Dataset,
  figures: RunFigures,
  options: PeerOptions,
): TrainerSetup {
  return {
    model: run.model,
    inner: run.inner,
    seed: run.seed,
    tokens: dataset.tokens,
    shards: run.data.shards,
    scheduleSteps: figures.scheduleSteps,
    engine: options.engine,
    device: options.device,
    threads: options.threads,
    slowdown: options.slowdown,
    ...(options.microBatch !== null && { microBatch: options.microBatch }),
  }
}

/** Where others reach this peer, as many as a message takes. */
export const ownAddresses = (mesh: Mesh): readonly string[] =>
  mesh
    .addresses()
    .filter(({ length }) => length <= MAX_ADDRESS_CHARS)
    .slice(0, MAX_ADDRESSES)

export function peerSetup(
  { run, clusters, founder }: Genesis,
  figures: RunFigures,
  options: PeerOptions,
  self: Pick<PeerSetup['self'], 'id' | 'cluster' | 'addresses'>,
  held: HeldState | null,
): PeerSetup {
  const { shardSizes: sizes, scheduleSteps, tokensPerStep } = figures
  return {
    self: { ...self, name: options.name, role: options.role },
    run,
    stop: stopRule(run.stop, options.stopAfter),
    founder,
    clusters: clusters.map(({ name }) => name),
    shardSizes: sizes,
    scheduleSteps,
    tokensPerStep,
    parameters: layoutOf(figures.model).size,
    held,
  }
}

function stopRule(stop: StopConfig, stopAfter: number | null): StopConfig {
  return stopAfter === null ? stop : { ...stop, versions: stopAfter }
}

/** Of a peer in the own swarm of its cluster, which goes on until the swarm above is at its end. */
export function clusterSetup(setup: PeerSetup): PeerSetup {
  const { self, run, clusters, shardSizes: sizes } = setup
  return {
    ...setup,
    run: clusterRun(run),
    stop: {},
    clusters: [self.cluster],
    shardSizes: shardsOf(sizes, clusters.indexOf(self.cluster), clusters.length),
  }
}

/** Of a peer that holds the outer state of the swarm above, whose rounds have no data of their own. */
export function holderSetup(setup: PeerSetup, hierarchy: HierarchyConfig): PeerSetup {
  const { self, run, clusters } = setup
  return {
    ...setup,
    self: { ...self, role: 'holder' },
    run: upperRun(run, hierarchy, clusters.length),
    shardSizes: noData,
    scheduleSteps: noData,
  }
}

/** Of a whole cluster there. */
export function voiceSetup(setup: PeerSetup, hierarchy: HierarchyConfig): PeerSetup {
  const { cluster, addresses } = setup.self
  const self = { id: clusterPeer(cluster), name: cluster, cluster, addresses, role: 'worker' } as const
  return { ...holderSetup(setup, hierarchy), self, held: null }
}

/** One shard, since shards are dealt to clusters once and for all. */
export const noData: readonly number[] = [1]
