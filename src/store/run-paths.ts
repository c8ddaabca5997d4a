// Where everything of a run lies on disk.
import { join } from 'node:path'

export interface RunPaths {
  readonly root: string
  /** events.jsonl, shared by the local peers. */
  readonly events: string
  readonly checkpoints: string
  readonly genesis: string
}

export interface PeerPaths {
  readonly root: string
  readonly lock: string
  readonly key: string
  /** Names the peer that the journal belongs to; there before the journal's first record. */
  readonly replica: string
  readonly journal: string
  readonly payloads: string
  readonly snapshots: string
  /** What is being fetched, as far as it has come. */
  readonly partial: string
  /** Folder of the worker's rounds. */
  readonly worker: string
  /** Replicas of the run, and where they were last. */
  readonly contacts: string
  /** What the peer does, written once a second for other programs. */
  readonly status: string
}

export function runPaths(root: string): RunPaths {
  return {
    root,
    events: join(root, 'events.jsonl'),
    checkpoints: join(root, 'checkpoints'),
    genesis: join(root, 'genesis.json'),
  }
}

/** @param peer the peer's name: letters, digits and hyphens */
export function peerPaths(root: string, peer: string): PeerPaths {
  const own = join(root, 'peers', peer)
  return {
    root: own,
    lock: join(own, 'lock'),
    key: join(own, 'key'),
    replica: join(own, 'replica'),
    journal: join(own, 'journal'),
    payloads: join(own, 'payloads'),
    snapshots: join(own, 'snapshots'),
    partial: join(own, 'partial'),
    worker: join(own, 'worker'),
    contacts: join(own, 'contacts.json'),
    status: join(own, 'status.json'),
  }
}
