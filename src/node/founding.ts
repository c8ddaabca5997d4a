// A run's beginning: its genesis, made once by the founder and kept by every peer, and who is let in by it.
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { PeerId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { builtinName } from '../data/corpus.js'
import { sha256 } from '../platform/sha256.js'
import type { Hello, HelloAnswer } from '../ports/mesh.js'
import { writeFileAtomically } from '../store/atomic.js'
import type { RunPaths } from '../store/run-paths.js'
import { errorCode } from '../store/store-error.js'
import { canonicalJson } from '../swarmfile/canonical-json.js'
import {
  type DataManifest,
  type Genesis,
  genesisDifference,
  genesisText,
  parseGenesis,
  runIdOf,
} from '../swarmfile/genesis.js'
import type { RunConfig, SwarmFile } from '../swarmfile/schema.js'

/** Makes a run of this swarm file; two runs founded from one file differ in founder and nonce. */
export function foundRun(swarm: SwarmFile, data: DataManifest, founder: PeerId): Genesis {
  const { name, clusters } = swarm
  const genesis = { format: 1, name, run: portableRun(swarm.run), data, clusters, founder } as const
  const heads = swarm.run.hierarchy === undefined ? {} : { heads: headsOf(swarm) }
  return { ...genesis, ...heads, nonce: randomUUID() }
}

/** The first peer of each cluster founds its own swarm. */
function headsOf({ clusters, peers }: SwarmFile): Record<string, string> {
  return Object.fromEntries(
    clusters.flatMap(({ name }) => {
      const head = peers.find(({ cluster }) => cluster === name)
      return head === undefined ? [] : [[name, head.name]]
    }),
  )
}

export async function keepGenesis(path: string, genesis: Genesis): Promise<void> {
  await writeFileAtomically(path, [new TextEncoder().encode(genesisText(genesis))])
}

/** The genesis of a run folder; null where there is none. */
export async function loadGenesis(path: string): Promise<Genesis | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw error
  }
  try {
    return parseGenesis(text)
  } catch (error) {
    throw new UserError(
      'storage',
      `${path} is damaged: ${(error as Error).message}`,
      'restore the file from a copy, or start a new run from the latest checkpoint of this one (run.warmStart)',
      { cause: error },
    )
  }
}

/** Before anything is written to a folder that is no run's. @throws UserError if there is no run to go on with */
export async function checkHoldsRun({ root, genesis }: RunPaths): Promise<void> {
  if ((await loadGenesis(genesis)) !== null) return
  throw new UserError(
    'storage',
    `there is no run to resume in ${root}: it has no ${basename(genesis)}, which every peer of a run keeps`,
    "pass the folder of the run's first peer with --out, or start a new run in another folder without --resume",
  )
}

/** A resumed run keeps its configuration; only its stop rule may be another. @throws UserError that names what differs */
export function checkSameRun(genesis: Genesis, run: RunConfig): void {
  const difference = differenceFrom(genesis, run)
  if (difference === '') return
  throw new UserError(
    'refused',
    `the run in this folder was founded with another configuration: ${difference} (first the run's, then the file's)`,
    'undo the change to go on with that run, or leave --resume away to start a new one',
  )
}

/** A peer that joins with a file means that one's run. @throws UserError that names what differs */
export function checkSameFile(genesis: Genesis, run: RunConfig): void {
  const difference = differenceFrom(genesis, run)
  if (difference === '') return
  throw new UserError(
    'refused',
    `the run has another configuration than the swarm file: ${difference} (first the run's, then the file's)`,
    'use the swarm file, seed and corpus of that run, or join it without a file by skein join TICKET',
  )
}

/** All but the stop rule, which is each peer's own. */
function differenceFrom(genesis: Genesis, run: RunConfig): string {
  const { stop: _, ...kept } = genesis.run
  const { stop: __, ...asked } = portableRun(run)
  return genesisDifference(canonicalJson(kept), canonicalJson(asked))
}

/** The configuration by which peers tell whether they mean the same run, as canonical JSON. */
export function comparableRun(run: RunConfig): string {
  return canonicalJson(portableRun(run))
}

/** The run as it is in force where this swarm file is used: the file may end it at another point. */
export function inForce(genesis: Genesis, swarm: SwarmFile | null): Genesis {
  return swarm === null ? genesis : { ...genesis, run: { ...genesis.run, stop: swarm.run.stop } }
}

/** What a peer of the run tells who comes: who leads, as far as it knows, and where that one can be reached. */
export interface KnownLeader {
  readonly leader: PeerId | null
  readonly leaderAddresses: readonly string[]
  /** Its own, in a run whose clusters are swarms of their own: a joiner that names none goes there. */
  readonly cluster?: string
}

/** Who may join: a peer that asks for this run, or for none and does not mean another. */
export function answerHello(
  genesis: Genesis,
  run: RunConfig,
  known: () => KnownLeader,
  hello: Hello,
): HelloAnswer {
  const reason = whyNot(genesis, run, hello)
  if (reason !== null) return { accepted: false, reason, later: false }
  return { accepted: true, genesis: genesisText(genesis), ...known() }
}

/** @param inUse the run's configuration as it is in force here */
function whyNot(genesis: Genesis, inUse: RunConfig, { run, config }: Hello): string | null {
  const id = runIdOf(genesis, sha256)
  if (run !== null && run !== id)
    return `this is run ${id.slice(0, 12)} ('${genesis.name}'), not run ${run.slice(0, 12)}`
  if (config === null) return null
  const difference = genesisDifference(canonicalJson(inUse), config)
  return difference === ''
    ? null
    : `the configurations differ: ${difference} (first this run's, then the caller's)`
}

/** What a run's configuration calls a corpus that is not the built-in one: its path is each machine's own affair. */
export const ownCorpus = 'file'

/** Without what is this machine's own affair: the paths of the corpus and of the start. */
function portableRun(run: RunConfig): RunConfig {
  const { warmStart: _, ...rest } = run
  const corpus = run.data.corpus === builtinName ? builtinName : ownCorpus
  return { ...rest, data: { ...run.data, corpus } }
}
