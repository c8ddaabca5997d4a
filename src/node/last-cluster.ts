// In which cluster a peer was when it ran last: in a hierarchical run, what its disk keeps is of that one's swarm.
import { readFileSync } from 'node:fs'
import { identityOf } from '../network/identity.js'
import { peerStatusSchema } from '../wire/status.js'
import type { Identity } from './own-identity.js'
import type { PeerDisk } from './peer-disk.js'

/** By the ledger that its disk kept, else by what it told of itself last; null where neither is there. */
export function lastCluster({ paths }: PeerDisk, { key, snapshot }: Identity): string | null {
  const members = snapshot?.snapshot.ledger.members ?? {}
  return members[identityOf(key)]?.cluster ?? told(paths.status)
}

function told(path: string): string | null {
  try {
    return peerStatusSchema.parse(JSON.parse(readFileSync(path, 'utf8'))).cluster
  } catch {
    // It has not told anything yet, or a crash cut it short.
    return null
  }
}
