// The local peers of a run, as its folder shows them: who they are, whether they run, and what they wrote last.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { UserError } from '../core/user-error.js'
import type { PeerStatus } from '../ports/status.js'
import { lockHolder } from '../store/peer-lock.js'
import { peerPaths } from '../store/run-paths.js'
import { peerStatusSchema } from '../wire/status.js'

export interface FolderPeer {
  readonly name: string
  readonly running: boolean
  /** Null where it wrote none, or none that can be read. */
  readonly status: PeerStatus | null
}

/** @throws UserError if there is no such folder, or no peer in it */
export async function peersOfFolder(folder: string): Promise<readonly FolderPeer[]> {
  const names = peerNames(folder)
  if (names.length === 0) {
    throw new UserError(
      'storage',
      `no peer of a run has left anything in ${folder}`,
      'give the folder of a run, as in runs/trio, or the address of a peer',
    )
  }
  return Promise.all(
    names.map(async (name) => {
      const paths = peerPaths(folder, name)
      return { name, running: (await lockHolder(paths.lock)) !== null, status: readStatus(paths.status) }
    }),
  )
}

/** @throws UserError if there is no such folder */
export function peerNames(folder: string): readonly string[] {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new UserError(
      'storage',
      `there is no run folder ${folder}`,
      'give the folder that the run printed at its end, as in runs/trio',
    )
  }
  const peers = join(folder, 'peers')
  if (!existsSync(peers)) return []
  const entries = readdirSync(peers, { withFileTypes: true })
  // What was set aside bears another name than a peer may have.
  return entries.flatMap((entry) =>
    entry.isDirectory() && /^[a-z0-9-]+$/i.test(entry.name) ? [entry.name] : [],
  )
}

/** Null where there is none, or none that can be read. */
export function readStatus(path: string): PeerStatus | null {
  try {
    return peerStatusSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return null
  }
}
