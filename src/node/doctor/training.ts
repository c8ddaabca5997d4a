// Finds out whether this machine could train: the text, the engine with its memory plan and a rehearsal, the disk.
import { mkdtemp, rmdir, stat, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { openTokenizer } from '../../data/tokenizer.js'
import { openTrainer } from '../../engine/thread-trainer.js'
import { resolveModel } from '../../model/config.js'
import type { Trainer, TrainerSetup } from '../../ports/trainer.js'
import { errorCode } from '../../store/store-error.js'
import type { Genesis } from '../../swarmfile/genesis.js'
import type { RunConfig } from '../../swarmfile/schema.js'
import { checkDataset, loadDataset } from '../dataset.js'
import { isLacking } from '../run-entry.js'
import { isProblem, type Problem, problemOf, type Tell, type Watch } from './facts.js'

/** An engine that has not taken a few steps by then trains nothing in useful time. */
const REHEARSAL_MS = 120_000
/** Bytes that a peer writes of each parameter, beside checkpoints: see `replicaBytes`. */
const BYTES = { vector: 4, snapshot: 3 * 4, round: 6 * 4 } as const
/** The newest and the one before are kept while the next is written. */
const SNAPSHOTS = 3
const ROUNDS = 2

export interface TrainingRequest {
  /** What would be trained. */
  readonly run: RunConfig
  /** Null where no member told it. */
  readonly genesis: Genesis | null
  /** The text given, else the one that the run names; null where it need not be read. */
  readonly text: { readonly path: string; readonly isGiven: boolean } | null
  readonly engine: string
  readonly device: number | null
  readonly threads: number
  readonly microBatch: number | null
  /** Where the run would be kept. */
  readonly folder: string
}

export async function examineTraining(request: TrainingRequest, tell: Tell, watch: Watch): Promise<void> {
  const tokens = await examineCorpus(request, tell, watch)
  const parameters = await examineEngine(request, tell, watch)
  const { folder, run } = request
  const space = await spaceIn(folder)
  const neededBytes = replicaBytes(parameters ?? 0, run.checkpoints.keep, tokens)
  const keeps = `${SNAPSHOTS} snapshots, ${ROUNDS} rounds, ${run.checkpoints.keep + 1} checkpoints${tokens > 0 ? ', the tokens of the text' : ''}`
  tell({ about: 'disk', folder, space: isProblem(space) ? space : { ...space, neededBytes, keeps } })
}

/** Tokens that would be fetched from members. */
async function examineCorpus(
  { run, genesis, text }: TrainingRequest,
  tell: Tell,
  watch: Watch,
): Promise<number> {
  if (text === null) {
    tell({
      about: 'skipped',
      names: ['corpus'],
      why: 'no text was named; a swarm file or --corpus names one',
    })
    return 0
  }
  if (genesis !== null && !text.isGiven && isLacking(text.path)) {
    const tokens = genesis.data.trainTokens + genesis.data.heldOutTokens
    tell({ about: 'corpus', state: { kind: 'from-members', tokens } })
    return tokens
  }
  try {
    const dataset = await watch('reading the text', () => loadDataset(run, text.path))
    if (genesis !== null) checkDataset(dataset, genesis)
    const { train, heldOut } = dataset.tokens
    tell({
      about: 'corpus',
      state: {
        kind: 'read',
        source: dataset.source,
        trainTokens: train.length,
        heldOutTokens: heldOut.length,
      },
    })
  } catch (error) {
    const problem = problemOf(error, 'name another text with --corpus')
    tell({ about: 'corpus', state: { kind: 'wrong', problem } })
  }
  return 0
}

/** Parameters of the model; null where no engine says so. */
async function examineEngine(request: TrainingRequest, tell: Tell, watch: Watch): Promise<number | null> {
  const warnings: string[] = []
  let trainer: Trainer
  try {
    const open = () => openTrainer(rehearsalSetup(request), (warning) => warnings.push(warning))
    trainer = await watch('trying engines', open)
  } catch (error) {
    tell({ about: 'engine', engine: problemOf(error, 'choose another engine with --engine') })
    return null
  }
  try {
    const { name, reason, threads, parameters, memory } = trainer.info
    tell({ about: 'engine', engine: { name, reason, threads, parameters, warnings } })
    if (memory !== undefined) tell({ about: 'memory', plan: memory })
    const isShort = memory !== undefined && memory.available !== null && memory.total > memory.available
    if (isShort) tell({ about: 'skipped', names: ['step'], why: 'the memory would not do' })
    else {
      const stepsPerSecond = await watch('rehearsing a step', () => rehearsed(trainer))
      tell({ about: 'step', stepsPerSecond, batch: request.run.inner.batch })
    }
    return parameters
  } finally {
    await trainer.close()
  }
}

async function rehearsed(trainer: Trainer): Promise<number | Problem> {
  const remedy = 'choose a smaller model or batch, or another engine with --engine'
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<Problem>((resolve) => {
    const what = `the engine took no step within ${REHEARSAL_MS / 1000} s`
    timer = setTimeout(() => resolve({ what, remedy }), REHEARSAL_MS)
  })
  try {
    return await Promise.race([patience, trainer.initial().then((theta) => trainer.rehearse(theta))])
  } catch (error) {
    return problemOf(error, remedy)
  } finally {
    clearTimeout(timer)
  }
}

/** On tokens of its own: how fast a step is does not depend on what it reads. */
function rehearsalSetup({ run, engine, device, threads, microBatch }: TrainingRequest): TrainerSetup {
  const { vocabulary } = openTokenizer(run.data.tokenizer)
  const { context } = resolveModel(run.model, vocabulary)
  const made = (sequences: number) =>
    Uint16Array.from({ length: sequences * (context + 1) }, (_, i) => i % vocabulary)
  return {
    model: run.model,
    inner: run.inner,
    seed: run.seed,
    tokens: { train: made(4 * run.inner.batch), heldOut: made(run.inner.batch), vocabulary },
    shards: 1,
    scheduleSteps: [1_000],
    engine,
    device,
    threads,
    slowdown: 1,
    ...(microBatch !== null && { microBatch }),
  }
}

/**
 * Bytes that a replica writes at most, the logs and what it fetches aside: snapshots of theta, momentum and buffer; of
 * a round its contribution, residuals before and after, AdamW's two moments and theta at its end; checkpoints of
 * theta; tokens of a text that members give.
 */
export const replicaBytes = (parameters: number, checkpoints: number, tokens: number): number =>
  parameters * (SNAPSHOTS * BYTES.snapshot + ROUNDS * BYTES.round + (checkpoints + 1) * BYTES.vector) +
  2 * tokens

/** What is free where a folder is, or would be made. */
async function spaceIn(folder: string): Promise<{ readonly freeBytes: number } | Problem> {
  const remedy = 'give a folder that this user may write to with --out'
  try {
    const there = await nearestFolder(resolve(folder))
    await rmdir(await mkdtemp(join(there, '.skein-doctor-')))
    const { bavail, bsize } = await statfs(there)
    return { freeBytes: bavail * bsize }
  } catch (error) {
    return { what: `the folder ${folder} cannot be written to: ${(error as Error).message}`, remedy }
  }
}

/** The folder itself, or the first above it that is there. */
async function nearestFolder(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return path
    throw new Error(`${path} is a file`)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' || dirname(path) === path) throw error
    return nearestFolder(dirname(path))
  }
}
