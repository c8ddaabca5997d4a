// Contributions out: a manifest, then its payload in chunks, paced by what the subscribers take.
import { setImmediate } from 'node:timers/promises'
import { cut } from '../../core/content.js'
import type { RunId } from '../../core/ids.js'
import type { Manifest } from '../../core/messages.js'
import { sha256 } from '../../platform/sha256.js'
import { NobodyListens } from '../../ports/mesh.js'
import { flawOf } from '../../wire/chunks.js'
import { seal } from '../../wire/envelope.js'
import { type ChunkFrame, type ContributionFrame, DIRECT_SUBSCRIBERS } from '../../wire/frames.js'
import type { Gossip } from './gossip.js'

/** Publishes a contribution on a topic; resolves when the last chunk left. */
export async function publishContribution(
  gossip: Gossip,
  run: RunId,
  topic: string,
  manifest: Manifest,
  payload: Uint8Array,
): Promise<void> {
  const flaw =
    payload.byteLength === manifest.bytes ? flawOf(manifest, sha256) : 'its payload has another length'
  if (flaw !== null)
    throw new Error(`The contribution to ${manifest.assignment} cannot be published: ${flaw}.`)
  const frame: ContributionFrame = { type: 'contribution', manifest }
  const recipients = await gossip.publish(topic, seal(run, frame), 'everyone')
  if (recipients === 0) throw new NobodyListens(topic)
  for (const [index, bytes] of cut(payload, manifest.chunkBytes).entries()) {
    await gossip.room(topic)
    // Signing and encrypting resolve as microtasks: without a breath here, nothing else ran meanwhile.
    await setImmediate()
    const subscribers = gossip.subscribers(topic)
    const reached = subscribers.length <= DIRECT_SUBSCRIBERS ? subscribers : []
    const chunk: ChunkFrame = { type: 'chunk', payload: manifest.payload, index, bytes, reached }
    await gossip.publish(topic, seal(run, chunk), reached.length > 0 ? 'everyone' : 'mesh')
  }
}
