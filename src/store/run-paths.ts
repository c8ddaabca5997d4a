// Where everything of a run lies on disk.
import { join } from 'node:path'

export interface RunPaths {
  readonly root: string
  /** events.jsonl, shared by the local peers. */
  readonly events: string
  readonly checkpoints: string
  readonly genesis: string
  /** Tokens of the corpus, where they were fetched from members. */
  readonly corpus: string
}

/** What a replica keeps of one swarm. */
export interface ReplicaPaths {
  /** Names the peer that the journal belongs to; there before the journal's first record. */
  readonly replica: string
  readonly journal: string
  readonly payloads: string
  readonly snapshots: string
}

export interface PeerPaths extends ReplicaPaths {
  readonly root: string
  readonly lock: string
  readonly key: string
  /** Certificates that make the holder of the key a member of the run. */
  readonly membership: string
  /** What it keeps of the swarm above its cluster. */
  readonly above: ReplicaPaths
  /** What is being fetched, as far as it has come. */
  readonly partial: string
  /** Folder of the worker's rounds. */
  readonly worker: string
  /** Replicas of the run, and where they were last. */
  readonly contacts: string
  /** What the user of this machine wants of the peer while it runs. */
  readonly orders: string
  /** What the peer does, written once a second for other programs. */
  readonly status: string
}

export function runPaths(root: string): RunPaths {
  return {
    root,
    events: join(root, 'events.jsonl'),
    checkpoints: join(root, 'checkpoints'),
    genesis: join(root, 'genesis.json'),
    corpus: join(root, 'corpus.tokens'),
  }
}

/** @param peer the peer's name: letters, digits and hyphens */
export function peerPaths(root: string, peer: string): PeerPaths {
  const own = join(root, 'peers', peer)
  return {
    root: own,
    lock: join(own, 'lock'),
    key: join(own, 'key'),
    membership: join(own, 'membership'),
    ...replicaPaths(own),
    above: replicaPaths(join(own, 'above')),
    partial: join(own, 'partial'),
    worker: join(own, 'worker'),
    contacts: join(own, 'contacts.json'),
    orders: join(own, 'orders.json'),
    status: join(own, 'status.json'),
  }
}

const replicaPaths = (root: string): ReplicaPaths => ({
  replica: join(root, 'replica'),
  journal: join(root, 'journal'),
  payloads: join(root, 'payloads'),
  snapshots: join(root, 'snapshots'),
})
