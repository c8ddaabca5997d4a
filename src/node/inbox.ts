// What the network brings, handed to whichever stage the peer is in: first the search, then the run.
import type { Passage } from '../core/entries.js'
import type { NewEvent } from '../core/events.js'
import type { PeerId } from '../core/ids.js'
import type { Message } from '../core/messages.js'
import type { HelloAnswer, MeshHandlers } from '../ports/mesh.js'
import type { Contributions } from './contributions.js'
import type { Dispatch } from './driver.js'
import type { Reporter } from './reporter.js'

/** Events that may wait while the engine starts; control messages are repeated, so the oldest may go. */
const waitingKept = 1_000

export interface RunStage {
  readonly dispatch: Dispatch
  readonly contributions: Contributions
}

export class Inbox implements MeshHandlers {
  #stage: RunStage | null = null
  #waiting: NewEvent[] = []
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
    for (const peer of this.connectedPeers) stage.dispatch({ type: 'connected', peer })
    for (const event of this.#waiting) stage.dispatch(event)
    this.#waiting = []
  }

  readonly message: MeshHandlers['message'] = (from, message) =>
    this.#pass({ type: 'message', from, message: this.#witnessed(from, message) })

  readonly contribution: MeshHandlers['contribution'] = (from, manifest, payload) =>
    void this.#stage?.contributions.arrived(from, manifest, payload)

  readonly incomplete: MeshHandlers['incomplete'] = (from, manifest) => {
    this.#stage?.contributions.missed(manifest.payload)
    this.#stage?.dispatch({ type: 'contribution-incomplete', from, manifest })
  }

  readonly connected: MeshHandlers['connected'] = (peer) => {
    this.connectedPeers.add(peer)
    this.search?.greet(peer)
    this.#stage?.dispatch({ type: 'connected', peer })
  }

  readonly disconnected: MeshHandlers['disconnected'] = (peer) => {
    this.connectedPeers.delete(peer)
    this.search?.lost(peer)
    this.#stage?.dispatch({ type: 'disconnected', peer })
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

  #pass(event: NewEvent): void {
    if (this.#stage !== null) return this.#stage.dispatch(event)
    this.#waiting.push(event)
    if (this.#waiting.length > waitingKept) this.#waiting.shift()
  }
}
