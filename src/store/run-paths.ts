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
  readonly journal: string
  readonly payloads: string
  readonly snapshots: string
  readonly worker: string
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
    journal: join(own, 'journal'),
    payloads: join(own, 'payloads'),
    snapshots: join(own, 'snapshots'),
    worker: join(own, 'worker.safetensors'),
  }
}
