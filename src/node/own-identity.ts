// As which peer a process comes: as the one of its folder, unless that peer would have forgotten what it promised.
import { existsSync } from 'node:fs'
import type { PeerId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { generateIdentity, identityOf } from '../network/identity.js'
import { sha256 } from '../platform/sha256.js'
import { loadOrCreateKey } from '../store/identity.js'
import { loadSnapshot } from '../store/snapshot.js'
import { StoreError } from '../store/store-error.js'
import { type Genesis, runIdOf } from '../swarmfile/genesis.js'
import { handOver, keepChain, loadChain } from './kept-membership.js'
import type { PeerDisk, ReplicaDisk } from './peer-disk.js'
import type { LoadedSnapshot } from './restore.js'

export interface Identity {
  readonly key: Uint8Array
  readonly replica: ReplicaDisk
  /** What a replica goes on from; null for a peer that was none, or is none any more. */
  readonly snapshot: LoadedSnapshot | null
  /** Nothing says that this peer was in the run before: the head of a cluster founds its swarm then, and only then. */
  readonly isNew: boolean
}

/**
 * The identity of a peer that starts, and what its disk kept of a replica.
 *
 * @param kept genesis of the run that it goes on with; null to begin
 * @param canAsk whether it knows anybody else who might hold the run
 * @param hasMet whether it was taken in by others in an earlier start
 * @throws UserError if the run is lost with the log, or the key is not the log's
 */
export async function takeIdentity(
  disk: PeerDisk,
  kept: Genesis | null,
  { resume, canAsk, hasMet }: Record<'resume' | 'canAsk' | 'hasMet', boolean>,
  warn: (message: string) => void,
): Promise<Identity> {
  if (kept === null) return asNewPeer(disk, resume, warn)
  const owner = await disk.owner()
  // One whose folder was lost has no key: others may have gone on with its cluster long since.
  const isNew = !hasMet && existsSync(disk.paths.key)
  const key = await loadOrCreateKey(disk.paths.key, generateIdentity)
  const self = identityOf(key)
  const replica = await disk.replica(self, warn)
  const begun = owner !== null || !replica.isEmpty
  if (begun) checkOwner(disk, owner ?? self, self)
  // Whoever founded the run had a log before the run was there.
  if (!begun && kept.founder !== self) return { key, replica, snapshot: null, isNew }
  const found = await lookAt(disk, replica)
  if (typeof found !== 'string') return { key, replica, snapshot: found, isNew: false }
  if (!canAsk) throw runLost(disk, found)
  const chain = kept.founder === self ? [] : await loadChain(disk.paths.membership)
  const aside = await disk.setAside()
  warn(
    `${found}. The votes it gave are forgotten, so that it must not vote again: it joins its run as a new peer. What is left of the old one lies in ${aside ?? disk.paths.root}.`,
  )
  const identity = { ...(await fresh(disk, warn)), isNew: false }
  const handed = chain === null ? null : handOver(runIdOf(kept, sha256), key, chain, identity.key)
  if (handed !== null) await keepChain(disk.paths.membership, handed)
  return identity
}

/** There is no run to go on with: one whose log lies in the folder was another peer. */
async function asNewPeer(
  disk: PeerDisk,
  resume: boolean,
  warn: (message: string) => void,
): Promise<Identity> {
  const aside = (await disk.owner()) === null ? null : await disk.setAside()
  if (aside !== null) warn(`This peer begins anew; what another one left in its folder lies in ${aside} now.`)
  if (!resume) await disk.forgetRounds()
  return fresh(disk, warn)
}

async function fresh(disk: PeerDisk, warn: (message: string) => void): Promise<Identity> {
  const key = await loadOrCreateKey(disk.paths.key, generateIdentity)
  return { key, replica: await disk.replica(identityOf(key), warn), snapshot: null, isNew: true }
}

/** The snapshot that goes with the log, or what is wrong with the two, in words. */
async function lookAt(disk: PeerDisk, { held, isEmpty }: ReplicaDisk): Promise<LoadedSnapshot | string> {
  if (isEmpty) return 'The log of this peer is lost'
  let loaded: LoadedSnapshot | null
  try {
    loaded = await loadSnapshot(disk.paths.snapshots)
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return `The log of this peer has nothing to go with: ${error.message}`
  }
  if (loaded === null) return 'The log of this peer has no snapshot to go with'
  const { index } = loaded.snapshot.ledger
  if (index >= held.base.index) return loaded
  return `The log of this peer begins at entry ${held.base.index + 1}, and its newest snapshot ends at entry ${index}`
}

function checkOwner({ paths }: PeerDisk, owner: PeerId, self: PeerId): void {
  if (owner === self) return
  throw new UserError(
    'storage',
    `the key ${paths.key} is not the one of the log beside it, which belongs to ${owner}`,
    `restore the key from a copy, or remove the folder ${paths.root}: the peer then joins as a new one`,
  )
}

const runLost = ({ paths }: PeerDisk, what: string): UserError =>
  new UserError(
    'storage',
    `the run cannot be continued from ${paths.root}. ${what}, and this peer knows of no other that holds the run`,
    'restore the folder from a copy, or start a new run from the latest checkpoint (run.warmStart); if other peers go on with the run, give the address of one with --bootstrap',
  )
