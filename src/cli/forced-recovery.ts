// What becomes of a swarm whose majority of voters is gone for good: one replica that is left is made its only voter.
import { appendFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isMajority, toleranceOf } from '../core/configuration.js'
import type { ConfigureEntry, Entry } from '../core/entries.js'
import type { HardState } from '../core/events.js'
import type { Epoch, Index, PeerId, Term, Version } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import { configurationOf, type Log, lastPoint, termAt } from '../core/log.js'
import { UserError } from '../core/user-error.js'
import { addRecord } from '../faults/event-file.js'
import type { RecoveredRecord } from '../faults/records.js'
import { entryCodec } from '../node/durable-log.js'
import { replaceFile } from '../node/loose-file.js'
import type { PeerStatus, SwarmStanding } from '../ports/status.js'
import { lockHolder, lockPeer } from '../store/peer-lock.js'
import { ReplicaLog } from '../store/replica-log.js'
import { peerPaths, runPaths } from '../store/run-paths.js'
import { loadSnapshot } from '../store/snapshot.js'
import { holdsNothing, ownerOf, type Place, placeOf, type RecoveredSwarm } from './recovery-place.js'
import { peerNames, readStatus } from './run-peers.js'

/** What a recovery would begin with, and what it would do. */
export interface RecoveryPlan {
  readonly name: string
  readonly swarm: RecoveredSwarm
  /** Names of those who vote now. */
  readonly voters: readonly string[]
  readonly last: { readonly index: Index; readonly term: Term }
  /** Of the newest durable snapshot. */
  readonly snapshot: { readonly index: Index; readonly version: Version }
  readonly epoch: Epoch
  readonly term: Term
}

export interface RecoveryRequest {
  readonly folder: string
  readonly name: string
  /** The swarm above the clusters is meant. */
  readonly above: boolean
  readonly force: boolean
}

/**
 * Looks at what a replica holds and, with `force`, makes it the only voter of its swarm.
 *
 * @throws UserError if it runs, holds no ledger, or is not needed: a majority of the voters runs here
 */
export async function recover({ folder, name, above, force }: RecoveryRequest): Promise<RecoveryPlan> {
  const paths = peerPaths(folder, name)
  const place = await placeOf(folder, name, above)
  const lock = await lockPeer(paths.lock, name)
  try {
    const { log, held } = await ReplicaLog.open(place.paths.journal, entryCodec)
    try {
      const loaded = await loadSnapshot(place.paths.snapshots)
      if (loaded === null || held.hard.term === 0) throw holdsNothing(name, place)
      const { ledger } = loaded.snapshot
      const found: Found = {
        ...place,
        ledger,
        hard: held.hard,
        log: usable({ base: held.base, log: held.entries }, ledger),
      }
      await checkIsNeeded(folder, found)
      const plan = planOf(name, found)
      if (force) await carryOut(folder, found, plan, log, found.log.base.index !== held.base.index)
      return plan
    } finally {
      await log.close()
    }
  } finally {
    await lock.release()
  }
}

interface Found extends Place {
  readonly ledger: LedgerState
  readonly hard: HardState
  readonly log: Log
}

/** A snapshot that goes beyond the log takes its place, as when the peer starts. */
function usable(log: Log, { index, term }: LedgerState): Log {
  return termAt(log, index) === term ? log : { base: { index, term }, log: [] }
}

/** Two halves of a run that both go on would be two runs. */
async function checkIsNeeded(folder: string, { self, swarm, ledger, log }: Found): Promise<void> {
  const running: PeerId[] = []
  for (const name of peerNames(folder)) {
    const paths = peerPaths(folder, name)
    if ((await lockHolder(paths.lock)) === null) continue
    const id = await ownerOf(swarm === 'above' ? paths.above : paths)
    if (id !== null && id !== self) running.push(id)
  }
  if (!isMajority(configurationOf(log, ledger), running)) return
  throw new UserError(
    'refused',
    `a majority of the voters ${ofSwarm(swarm, folder)} runs: ${running.map((id) => nameOf(ledger, id)).join(', ')}`,
    'nothing is to be recovered; start the peer again with --resume',
  )
}

const ofSwarm = (swarm: RecoveredSwarm, folder: string): string =>
  ({ run: `of ${folder}`, cluster: 'of its cluster', above: 'of the swarm above the clusters' })[swarm]

function planOf(name: string, { swarm, ledger, hard, log }: Found): RecoveryPlan {
  return {
    name,
    swarm,
    voters: configurationOf(log, ledger).voters.map((id) => nameOf(ledger, id)),
    last: lastPoint(log),
    snapshot: { index: ledger.index, version: ledger.version },
    epoch: hard.epoch + 1,
    term: hard.term + 1,
  }
}

/** First the log, which decides; then the words about it. */
async function carryOut(
  folder: string,
  { self, swarm, ledger, log: { base, log: entries } }: Found,
  { name, epoch, term, last, voters }: RecoveryPlan,
  log: ReplicaLog,
  beginsAnew: boolean,
): Promise<void> {
  const reason = `recovered by force: ${voters.join(', ')} voted before; ${name} alone does now, from entry ${last.index} on`
  const body: ConfigureEntry = { kind: 'configure', voters: [self], next: null, epoch, reason }
  const entry: Entry = { ...body, index: last.index + 1, term }
  if (beginsAnew) await log.compact(base)
  await log.persist({ term, vote: self, epoch }, [entry])
  const time = new Date().toISOString()
  const record: RecoveredRecord = {
    time,
    peer: name,
    ...(swarm === 'cluster' && { swarm: clusterOf(self, ledger, entries) }),
    type: 'recovered',
    epoch,
    index: last.index,
    voters: [name],
    reason,
  }
  await addRecord(runPaths(folder).events, record)
  await appendFile(join(peerPaths(folder, name).root, 'recoveries.jsonl'), `${JSON.stringify(record)}\n`)
  correctStatus(peerPaths(folder, name).status, swarm, { voters: [{ id: self, name }], epoch, term })
}

/** Of a replica, as its ledger says. */
function clusterOf(self: PeerId, { members }: LedgerState, entries: readonly Entry[]): string {
  const admitted = entries.findLast((entry) => entry.kind === 'admit' && entry.peer === self)
  return admitted?.kind === 'admit' ? admitted.cluster : members[self].cluster
}

/** What the peer told of itself last is of another epoch: until it runs again, this stands for it. */
function correctStatus(
  path: string,
  swarm: RecoveredSwarm,
  changed: Pick<SwarmStanding, 'voters' | 'epoch' | 'term'>,
): void {
  const told = readStatus(path)
  // It never told anything: nothing is to be corrected.
  if (told === null) return
  const now = { ...changed, leader: null, leads: null, next: null, tolerance: toleranceOf(1) }
  const { above } = told
  const corrected: PeerStatus =
    swarm === 'above' ? { ...told, above: above && { ...above, ...now } } : { ...told, ...now }
  replaceFile(path, JSON.stringify(corrected))
}

const nameOf = ({ members }: LedgerState, id: PeerId): string => members[id]?.name ?? id
