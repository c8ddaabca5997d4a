// The one schema of a swarm file: every key, its unit, its default and a sentence on it.
import { z } from 'zod'
import { codecNames } from '../core/codec-names.js'

const name = z.string().regex(/^[a-z0-9][a-z0-9-]{0,31}$/i, 'letters, digits and hyphens, 32 at most')
const positive = z.number().positive()
const count = z.number().int().positive()
const decay = z.number().min(0).lt(1)
const faultCount = z.number().int().nonnegative().max(1000)

export const presetNames = [
  'nano',
  'mini',
  'micro',
  'paper-20m',
  'paper-60m',
  'paper-150m',
  'neo-8m',
  'neo-125m',
] as const

/** The model: a preset, any of whose sizes may be overridden. */
export const modelSchema = z.strictObject({
  preset: z.enum(presetNames).default('mini').describe('Named sizes to start from.'),
  width: count.optional().describe('Residual width d.'),
  layers: count.optional().describe('Decoder blocks.'),
  heads: count.optional().describe('Attention heads.'),
  headSize: count.optional().describe('Size of one key or value; width / heads unless given.'),
  context: count.optional().describe('Sequence length T.'),
})

export const dataSchema = z.strictObject({
  corpus: z
    .string()
    .default('builtin')
    .describe('`builtin`, or a path: text, folder, JSON Lines, gzipped JSON Lines.'),
  tokenizer: z.enum(['byte']).default('byte').describe('How text becomes tokens.'),
  heldOut: z.number().gt(0).max(0.5).default(0.05).describe('Share of the corpus that no worker ever sees.'),
  shards: count.default(8).describe('Fixed for the run: at least the workers expected.'),
})

export const innerSchema = z.strictObject({
  method: z.enum(['adamw']).default('adamw').describe('Inner optimizer; its state stays with the worker.'),
  batch: count.default(8).describe('Sequences per local step.'),
  learningRate: positive.default(3e-3).describe('Peak of the schedule, Eq. 3.'),
  minLearningRate: z.number().nonnegative().default(3e-4).describe('Where the cosine ends.'),
  warmupSteps: z.number().int().nonnegative().default(20).describe('Linear warm-up, in steps on a shard.'),
  scheduleSteps: count
    .optional()
    .describe('Total local steps of the run, split over shards by size; from `stop` unless given.'),
  weightDecay: z.number().nonnegative().default(0.1).describe('Decoupled; on matrices only.'),
  beta1: decay.default(0.9).describe('Decay of the first moment.'),
  beta2: decay.default(0.95).describe('Decay of the second moment.'),
  epsilon: positive.default(1e-8).describe('Keeps the division finite.'),
  clip: positive.default(1).describe('Global norm above which gradients are scaled down.'),
})

export const outerSchema = z.strictObject({
  method: z.string().default('delayed-nesterov').describe('Outer optimizer, by its name in src/outer.'),
  learningRate: positive.default(0.7).describe('Outer learning rate epsilon.'),
  momentum: decay.default(0.9).describe('beta of Alg. 3.'),
  bufferSize: count.default(4).describe('N of Alg. 3: contributions per momentum update.'),
  activation: z.number().nonnegative().default(0).describe('c of Alg. 3, in [0, 1/N].'),
})

/** Clusters as swarms of their own, each a worker of the swarm above (HALoS, arXiv 2506.04531). */
export const hierarchySchema = z.strictObject({
  contributions: count
    .default(6)
    .describe('K: contributions of its own that a cluster collects before it reports to the swarm above.'),
  alpha: z
    .number()
    .gt(0)
    .max(1)
    .default(0.25)
    .describe("Weight of the swarm's theta above when a cluster takes it in."),
  carry: z
    .boolean()
    .default(true)
    .describe(
      'What a cluster moves while its report is on its way is reported with the next; `false` is the rule as published, which forgets it.',
    ),
  codec: z
    .enum(codecNames)
    .default('fp32')
    .describe('How reports travel; what coding loses is reported with the next, if progress is carried.'),
  replicas: count.default(3).describe('Peers that hold the outer state of the swarm above; they vote there.'),
  outer: outerSchema
    .prefault({ momentum: 0.5 })
    .describe('Outer optimizer of the swarm above: a contribution is the report of a cluster.'),
})

const validationSchema = z.strictObject({
  by: name.optional().describe('Name of the peer that validates; the leader unless given.'),
  everyVersions: count
    .default(6)
    .describe('Validate at versions divisible by this, and at the first and last.'),
  batches: count.default(16).describe('Held-out batches, always the same ones.'),
})

const checkpointSchema = z.strictObject({
  everyVersions: count.default(12).describe('Checkpoint at versions divisible by this, and at the end.'),
  keep: count.default(3).describe('Newest checkpoints kept.'),
})

const stopSchema = z.strictObject({
  versions: count.optional().describe('Stop once theta has changed this often.'),
  steps: count.optional().describe('Stop after this many local steps, all workers together.'),
  tokens: count.optional().describe('Stop after this many training tokens.'),
  loss: positive.optional().describe('Stop once the validation loss is at or below this, nats per token.'),
  minutes: positive.optional().describe('Stop after this time.'),
})

export const compressionSchema = z.strictObject({
  codec: z
    .enum([...codecNames, 'auto'])
    .default('fp32')
    .describe(
      'How pseudo-gradients travel: exact, in 16, 8 or 4 bits per value, or the largest values alone; `auto` lets each worker take the most exact that its link carries while it trains.',
    ),
  density: z
    .number()
    .gt(0)
    .max(1)
    .default(1 / 8)
    .describe('Share of the values that `topk` sends; what is left is sent later.'),
})

/** A part of the parameters at a time (Streaming DiLoCo, arXiv 2501.18512). */
const fragmentsSchema = z.strictObject({
  count: count
    .max(64)
    .describe(
      'P: a contribution is of one of so many stretches of the parameters, each with an outer cycle of its own.',
    ),
  mixing: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('alpha: weight of the local parameters where a worker takes in what became of its fragment.'),
})

/** Everything that makes a run this run and not another: it goes into the run id. */
export const runSchema = z.strictObject({
  seed: z
    .number()
    .int()
    .nonnegative()
    .default(1)
    .describe('Seeds initial parameters, data order and shard draws.'),
  model: modelSchema.prefault({}),
  data: dataSchema.prefault({}),
  warmStart: z
    .string()
    .optional()
    .describe('Run folder or safetensors file whose parameters the run starts from.'),
  inner: innerSchema.prefault({}),
  outer: outerSchema.prefault({}),
  hierarchy: hierarchySchema
    .optional()
    .describe('Every cluster is a swarm of its own under an upper one; one flat swarm unless given.'),
  compression: compressionSchema.prefault({}),
  fragments: fragmentsSchema
    .optional()
    .describe('Contributions of one fragment of the parameters each, in turn; of everything unless given.'),
  localSteps: count.default(30).describe('H: local steps of the fastest worker per round.'),
  dylu: z.boolean().default(true).describe('Dynamic local updates, Eq. 6: slower workers take fewer steps.'),
  grace: z
    .union([z.literal('auto'), z.number().nonnegative()])
    .default('auto')
    .describe('Grace window in seconds; `auto` follows the measured steps and transfers.'),
  roundsAhead: z
    .number()
    .int()
    .min(0)
    .max(8)
    .default(0)
    .describe(
      'Rounds that a worker may go on by itself while its contribution is on its way, or nobody leads.',
    ),
  membership: z
    .enum(['ticket', 'open'])
    .default('ticket')
    .describe(
      'Who may join: `ticket` lets in who has a ticket of a member; `open` lets in whoever reaches a peer, for labs and tests.',
    ),
  startPeers: count.default(1).describe('Workers to wait for before the first assignment.'),
  replicas: count
    .default(3)
    .describe(
      'Peers that hold the outer state, the founder among them; fewer where fewer are there. One, three or five of them vote.',
    ),
  validation: validationSchema.prefault({}),
  checkpoints: checkpointSchema.prefault({}),
  stop: stopSchema.prefault({ versions: 48 }),
})

export const clusterSchema = z.strictObject({
  name: name.describe('Name of a group of well-connected peers.'),
})

const linkSchema = z.strictObject({
  between: z.tuple([name, name]).describe('The two clusters it joins.'),
  bytesPerSecond: positive.describe('Emulated rate, each way, for each pair of peers.'),
  latencyMs: z.number().nonnegative().default(0).describe('Emulated one-way delay.'),
})

const peerSchema = z.strictObject({
  name: name.describe('Unique in the file.'),
  cluster: name.describe('One of `clusters`.'),
  slowdown: z
    .number()
    .min(1)
    .default(1)
    .describe('Stretches every local step by this factor, to stand for a slower device.'),
  microBatch: count
    .optional()
    .describe('Sequences of a batch taken at once, at most, where all do not fit its memory.'),
  listen: z.array(z.string()).default(['/ip4/127.0.0.1/tcp/0']).describe('Multiaddrs to listen on.'),
  local: z.boolean().default(true).describe('`skein up` starts it on this machine.'),
})

/** Faults that `skein up` injects on purpose, to show what the run withstands. */
const faultsSchema = z.strictObject({
  seed: z.number().int().nonnegative().default(1).describe('The same seed draws the same faults.'),
  kills: faultCount.default(4).describe('Peers ended by SIGKILL, and started again.'),
  pauses: faultCount.default(2).describe('Peers stopped by SIGSTOP, and continued.'),
  partitions: faultCount
    .default(3)
    .describe('Times that a peer, or a cluster, is cut off from the others, or heard by nobody.'),
  everySeconds: z
    .tuple([positive, positive])
    .default([4, 8])
    .describe(
      'Least and most seconds from one fault to the next; the first comes once there are voters to elect a leader.',
    ),
  restartAfterSeconds: positive
    .default(4)
    .describe('Until a killed peer is started again; other faults last half to twice as long.'),
})

export const swarmFileSchema = z.strictObject({
  name: name.describe('Names the run folder.'),
  run: runSchema.prefault({}),
  clusters: z.array(clusterSchema).min(1),
  links: z.array(linkSchema).default([]),
  peers: z.array(peerSchema).min(1).describe('The first founds the run.'),
  bootstrap: z
    .array(z.string())
    .default([])
    .describe('Multiaddrs of peers to call on besides those found by mDNS.'),
  relays: z
    .array(z.string())
    .default([])
    .describe('Multiaddrs of relays through which peers on other networks are reached.'),
  faults: faultsSchema
    .optional()
    .describe('What `skein up` breaks on purpose while the run goes on; nothing unless given.'),
})

export type ModelChoice = z.infer<typeof modelSchema>
export type DataConfig = z.infer<typeof dataSchema>
export type InnerConfig = z.infer<typeof innerSchema>
export type OuterConfig = z.infer<typeof outerSchema>
export type HierarchyConfig = z.infer<typeof hierarchySchema>
export type CompressionConfig = z.infer<typeof compressionSchema>
export type StopConfig = z.infer<typeof stopSchema>
export type RunConfig = z.infer<typeof runSchema>
export type LinkConfig = z.infer<typeof linkSchema>
export type PeerConfig = z.infer<typeof peerSchema>
export type FaultsConfig = z.infer<typeof faultsSchema>
export type SwarmFile = z.infer<typeof swarmFileSchema>
