// What becomes of a run whose majority of voters is gone for good: one replica that is left is made its only voter.
import { existsSync } from 'node:fs'
import { appendFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isMajority, toleranceOf } from '../core/configuration.js'
import type { ConfigureEntry, Entry } from '../core/entries.js'
import type { HardState } from '../core/events.js'
import { type Epoch, type Index, type PeerId, peerId, type Term, type Version } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import { configurationOf, type Log, lastPoint, termAt } from '../core/log.js'
import { UserError } from '../core/user-error.js'
import { addRecord } from '../faults/event-file.js'
import type { RecoveredRecord } from '../faults/records.js'
import { entryCodec } from '../node/durable-log.js'
import { replaceFile } from '../node/loose-file.js'
import type { NamedPeer, PeerStatus } from '../ports/status.js'
import { lockHolder, lockPeer } from '../store/peer-lock.js'
import { ReplicaLog } from '../store/replica-log.js'
import { peerPaths, runPaths } from '../store/run-paths.js'
import { loadSnapshot } from '../store/snapshot.js'
import { errorCode, storeError } from '../store/store-error.js'
import { peerNames } from './run-peers.js'

/** What a recovery would begin with, and what it would do. */
export interface RecoveryPlan {
  readonly name: string
  /** Names of those who vote now. */
  readonly voters: readonly string[]
  readonly last: { readonly index: Index; readonly term: Term }
  /** Of the newest durable snapshot. */
  readonly snapshot: { readonly index: Index; readonly version: Version }
  readonly epoch: Epoch
  readonly term: Term
}

/**
 * Looks at what a replica holds and, with `force`, makes it the only voter of its run.
 *
 * @throws UserError if it runs, holds no ledger, or is not needed: a majority of the voters runs here
 */
export async function recover(folder: string, name: string, force: boolean): Promise<RecoveryPlan> {
  const paths = peerPaths(folder, name)
  const self = await ownerOfLog(folder, name)
  const lock = await lockPeer(paths.lock, name)
  try {
    const { log, held } = await ReplicaLog.open(paths.journal, entryCodec)
    try {
      const loaded = await loadSnapshot(paths.snapshots)
      if (loaded === null || held.hard.term === 0) throw holdsNothing(name, paths.root)
      const { ledger } = loaded.snapshot
      const found: Found = {
        self,
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

interface Found {
  readonly self: PeerId
  readonly ledger: LedgerState
  readonly hard: HardState
  readonly log: Log
}

/** A snapshot that goes beyond the log takes its place, as when the peer starts. */
function usable(log: Log, { index, term }: LedgerState): Log {
  return termAt(log, index) === term ? log : { base: { index, term }, log: [] }
}

async function ownerOfLog(folder: string, name: string): Promise<PeerId> {
  const known = peerNames(folder)
  const paths = peerPaths(folder, name)
  if (!known.includes(name)) {
    const names = known.length === 0 ? 'it has none' : `choose one of ${known.join(', ')}`
    throw new UserError(
      'usage',
      `${folder} holds no peer ${name}`,
      `give a peer of this folder with --name: ${names}`,
    )
  }
  if (!existsSync(paths.journal)) throw holdsNothing(name, paths.root)
  const { genesis } = runPaths(folder)
  for (const path of [genesis, paths.key]) if (!existsSync(path)) throw cannotResume(name, path)
  try {
    return peerId((await readFile(paths.replica, 'utf8')).trim())
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw holdsNothing(name, paths.root)
    throw storeError('read', paths.replica, error)
  }
}

const holdsNothing = (name: string, root: string): UserError =>
  new UserError(
    'storage',
    `${name} cannot be made the voter of its run: it is no replica, ${root} holds no ledger with a snapshot`,
    'name another peer that was a replica; where none is left, start a new run from the latest checkpoint (run.warmStart)',
  )

const cannotResume = (name: string, path: string): UserError =>
  new UserError(
    'storage',
    `${name} could not go on with its run afterwards: ${path} is missing`,
    'restore the file from a copy, or name another peer',
  )

/** Two halves of a run that both go on would be two runs. */
async function checkIsNeeded(folder: string, { self, ledger, log }: Found): Promise<void> {
  const running: PeerId[] = []
  for (const name of peerNames(folder)) {
    const paths = peerPaths(folder, name)
    if (!existsSync(paths.replica) || (await lockHolder(paths.lock)) === null) continue
    const id = peerId((await readFile(paths.replica, 'utf8')).trim())
    if (id !== self) running.push(id)
  }
  if (!isMajority(configurationOf(log, ledger), running)) return
  throw new UserError(
    'refused',
    `a majority of the voters of ${folder} runs: ${running.map((id) => nameOf(ledger, id)).join(', ')}`,
    'nothing is to be recovered; start the peer again with --resume',
  )
}

function planOf(name: string, { ledger, hard, log }: Found): RecoveryPlan {
  return {
    name,
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
  { self, log: { base } }: Found,
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
    type: 'recovered',
    epoch,
    index: last.index,
    voters: [name],
    reason,
  }
  await addRecord(runPaths(folder).events, record)
  await appendFile(join(peerPaths(folder, name).root, 'recoveries.jsonl'), `${JSON.stringify(record)}\n`)
  await correctStatus(peerPaths(folder, name).status, { id: self, name }, epoch, term)
}

/** What the peer told of itself last is of another epoch: until it runs again, this stands for it. */
async function correctStatus(path: string, self: NamedPeer, epoch: Epoch, term: Term): Promise<void> {
  let told: PeerStatus
  try {
    told = JSON.parse(await readFile(path, 'utf8')) as PeerStatus
  } catch {
    // It never told anything: nothing is to be corrected.
    return
  }
  const now: PeerStatus = {
    ...told,
    epoch,
    term,
    leader: null,
    leads: null,
    voters: [self],
    next: null,
    tolerance: toleranceOf(1),
  }
  replaceFile(path, JSON.stringify(now))
}

const nameOf = ({ members }: LedgerState, id: PeerId): string => members[id]?.name ?? id
