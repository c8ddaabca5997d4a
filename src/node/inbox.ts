// What the network brings, handed to whichever stage the peer is in: first the search, then the run.
import type { Passage } from '../core/entries.js'
import type { PeerId } from '../core/ids.js'
import type { Message } from '../core/messages.js'
import type { HelloAnswer, MeshHandlers } from '../ports/mesh.js'
import type { Reporter } from './reporter.js'

/** Messages that may wait while the engine starts; they are repeated, so the oldest may go. */
const waitingKept = 1_000

/** A peer that is in its run, as the network sees it. */
export type RunStage = Pick<
  MeshHandlers,
  'message' | 'fits' | 'contribution' | 'incomplete' | 'connected' | 'disconnected'
>

export class Inbox implements MeshHandlers {
  #stage: RunStage | null = null
  #waiting: ((stage: RunStage) => void)[] = []
  /** Peers that are connected now. */
  readonly connectedPeers = new Set<PeerId>()
  /** Called while there is no run yet. */
  search: { greet(peer: PeerId): void; lost(peer: PeerId): void } | null = null
  answer: MeshHandlers['hello'] = (): HelloAnswer => ({
    accepted: false,
    later: true,
    reason: 'this peer is still looking for its run',
  })

  /** How a peer came in, by its certificates. */
  passageOf: (peer: PeerId) => Passage | null = () => null

  constructor(private readonly reporter: Reporter) {}

  /** From here on everything goes to the core, what has waited first. */
  open(stage: RunStage): void {
    this.#stage = stage
    for (const peer of this.connectedPeers) stage.connected(peer)
    for (const tell of this.#waiting) tell(stage)
    this.#waiting = []
  }

  readonly message: MeshHandlers['message'] = (from, message, channel) =>
    this.#pass((stage) => stage.message(from, this.#witnessed(from, message), channel))

  readonly fits: MeshHandlers['fits'] = (...told) => this.#stage?.fits(...told) ?? false

  readonly contribution: MeshHandlers['contribution'] = (...told) => this.#stage?.contribution(...told)

  readonly incomplete: MeshHandlers['incomplete'] = (...told) => this.#stage?.incomplete(...told)

  readonly connected: MeshHandlers['connected'] = (peer) => {
    this.connectedPeers.add(peer)
    this.search?.greet(peer)
    this.#stage?.connected(peer)
  }

  readonly disconnected: MeshHandlers['disconnected'] = (peer) => {
    this.connectedPeers.delete(peer)
    this.search?.lost(peer)
    this.#stage?.disconnected(peer)
  }

  readonly refused: MeshHandlers['refused'] = (from, what, reason) =>
    this.reporter.report({ type: 'refused', what, from, reason })

  readonly transferring: MeshHandlers['transferring'] = (what, progress) =>
    this.reporter.report({ type: 'transfer', what, ...progress })

  readonly hello: MeshHandlers['hello'] = (from, hello) => this.answer(from, hello)

  /** What a peer says of how it came in counts for nothing; what its certificates say does. */
  #witnessed(from: PeerId, message: Message): Message {
    return message.type === 'join' ? { ...message, through: this.passageOf(from) } : message
  }

  #pass(tell: (stage: RunStage) => void): void {
    if (this.#stage !== null) return tell(this.#stage)
    this.#waiting.push(tell)
    if (this.#waiting.length > waitingKept) this.#waiting.shift()
  }
}
