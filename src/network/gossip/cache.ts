// Gossipsub's message cache, without the chunks: it would hold 5 heartbeats of them, and answer one request
// for many with a message over the 4 MiB limit, which is lost. A lost chunk is pulled directly instead.

/** Anything larger is a chunk; control messages and manifests are smaller. */
const CACHED_BYTES = 96 * 1024

interface Message {
  readonly topic: string
  readonly data?: Uint8Array
}
interface MessageId {
  readonly msgId: Uint8Array
  readonly msgIdStr: string
}
export interface Cached {
  readonly id: MessageId
  readonly message: Message
  /** How often each peer has asked for it. */
  readonly asked: Map<string, number>
}

/** Implements what gossipsub calls on its own cache; `validated` is always true here, and ignored. */
export class SmallMessageCache {
  /** By id in text; gossipsub looks in here itself. */
  readonly msgs = new Map<string, Cached>()
  /** Ids by heartbeat, the newest first. */
  readonly #history: string[][]

  constructor(
    private readonly announcedHeartbeats: number,
    keptHeartbeats: number,
  ) {
    this.#history = Array.from({ length: keptHeartbeats }, () => [])
  }

  get size(): number {
    return this.msgs.size
  }

  put(id: MessageId, message: Message): boolean {
    if (this.msgs.has(id.msgIdStr)) return false
    if ((message.data?.byteLength ?? 0) > CACHED_BYTES) return false
    this.msgs.set(id.msgIdStr, { id, message, asked: new Map() })
    this.#history[0].push(id.msgIdStr)
    return true
  }

  getWithIWantCount(id: string, peer: string): { msg: Message; count: number } | null {
    const cached = this.msgs.get(id)
    if (cached === undefined) return null
    const count = (cached.asked.get(peer) ?? 0) + 1
    cached.asked.set(peer, count)
    return { msg: cached.message, count }
  }

  /** Ids to announce, by topic. */
  getGossipIDs(topics: Set<string>): Map<string, Uint8Array[]> {
    const ids = new Map<string, Uint8Array[]>()
    for (const key of this.#history.slice(0, this.announcedHeartbeats).flat()) {
      const cached = this.msgs.get(key)
      if (cached === undefined || !topics.has(cached.message.topic)) continue
      const ofTopic = ids.get(cached.message.topic) ?? []
      ofTopic.push(cached.id.msgId)
      ids.set(cached.message.topic, ofTopic)
    }
    return ids
  }

  /** A heartbeat has passed. */
  shift(): void {
    for (const key of this.#history.pop() ?? []) this.msgs.delete(key)
    this.#history.unshift([])
  }

  // Only messages whose validation comes later are tracked by these; ours are validated before they are put.
  observeDuplicate(): void {}
}
