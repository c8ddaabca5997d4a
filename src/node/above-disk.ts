// What a peer keeps of the swarm above its cluster: what an earlier start left, or the beginning of that swarm.
import type { PeerId } from '../core/ids.js'
import { loadSnapshot } from '../store/snapshot.js'
import type { RunConfig } from '../swarmfile/schema.js'
import type { Opened } from './above.js'
import { OuterStates } from './outer-states.js'
import type { PeerDisk } from './peer-disk.js'
import { beginReplica, restoreReplica } from './restore.js'
import { noData } from './setup.js'
import { SnapshotFiles } from './snapshot-files.js'

/**
 * @param run of the swarm above
 * @param first the parameters from which the run begins, if this peer founds it; else null
 * @returns null where this peer must not vote again, for what it promised is lost
 */
export async function openAbove(
  disk: PeerDisk,
  self: PeerId,
  run: RunConfig,
  first: Float32Array | null,
  warn: (message: string) => void,
): Promise<Opened | null> {
  const { above } = disk.paths
  const owner = await disk.owner(above)
  const replica = await disk.replica(self, warn, above)
  if (owner !== null && (owner !== self || replica.isEmpty)) {
    warn(
      'What this peer promised in the swarm above is lost, or was promised by another: it holds nothing there.',
    )
    return null
  }
  const states = new OuterStates(run)
  const snapshots = new SnapshotFiles(above.snapshots)
  const close = async () => {
    await snapshots.settled()
    await states.close()
  }
  const opened = { disk: replica, snapshots, states, close }
  const loaded = owner === null ? null : await loadSnapshot(above.snapshots)
  if (loaded !== null) return { ...opened, held: await restoreReplica(replica, loaded, states, warn) }
  if (first === null) return { ...opened, held: null }
  const held = await beginReplica(states, first, noData, self)
  const begun = await states.snapshot(0)
  if (begun !== undefined) await snapshots.save(begun)
  await replica.log.persist(held.hard, [])
  return { ...opened, held }
}
