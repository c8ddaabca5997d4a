// What arrives, from the network's side: opened, checked, handed on, or dropped and held against the sender.
import type { Hash, PeerId, RunId } from '../core/ids.js'
import { type Channel, type Message, mainChannel } from '../core/messages.js'
import type { MeshHandlers } from '../ports/mesh.js'
import { CONTROL_CAP_BYTES } from '../wire/codec.js'
import { ForeignMessage, open, openOn } from '../wire/envelope.js'
import { FRAME_CAP_BYTES, type GradientFrame, gradientFrameSchema } from '../wire/frames.js'
import { messageSchema } from '../wire/schemas.js'
import type { Connections } from './connections.js'
import type { Gate } from './door/gate.js'
import type { EnteredRun } from './entered-run.js'
import { innermost } from './errors.js'
import { Assembler } from './gossip/assembler.js'
import type { Opened } from './gossip/gossip.js'
import type { Scores } from './scores.js'

/** Where gossip comes from: whose topic it was on, who passed it on, and who made it. */
export interface GossipOrigin {
  readonly run: RunId
  /** The cluster whose own swarm it is; null for the only one, or the one above the clusters. */
  readonly swarm: string | null
  readonly sender: PeerId
  readonly author: PeerId
}

/** What came by gossip, and in which swarm. */
export interface GossipFrame {
  readonly frame: GradientFrame
  readonly swarm: string | null
}

export class Reception {
  readonly #assembler: Assembler

  constructor(
    private readonly handlers: MeshHandlers,
    private readonly gate: Gate,
    private readonly scores: Scores,
    private readonly run: EnteredRun,
    private readonly connections: Connections,
  ) {
    this.#assembler = new Assembler(handlers.fits)
    this.#assembler.on('complete', handlers.contribution)
    this.#assembler.on('incomplete', handlers.incomplete)
    this.#assembler.on('refused', (author, what, reason) => this.offended(author, what, reason))
  }

  arriving(payload: Hash): boolean {
    return this.#assembler.arriving(payload)
  }

  close(): void {
    this.#assembler.close()
  }

  /** A control message's bytes. */
  received(from: PeerId, bytes: Uint8Array): void {
    const { id } = this.run
    if (id === null) {
      this.handlers.refused(from, 'control message', 'it came before this peer has entered a run')
      return
    }
    let opened: { readonly message: Message; readonly channel: Channel }
    try {
      opened = openOn(bytes, id, messageSchema, CONTROL_CAP_BYTES)
    } catch (error) {
      if (error instanceof ForeignMessage) {
        this.gate.setForeign(from, error.reason)
        this.handlers.refused(from, 'control message', error.reason)
      } else {
        this.offended(from, 'control message', error)
      }
      return
    }
    this.handlers.message(from, opened.message, opened.channel)
  }

  /** Gossip of a gradients topic; null if it has to be dropped. */
  gradientFrame(bytes: Uint8Array, origin: GossipOrigin): Opened | null {
    return this.#opened(origin, ({ run, swarm }) => {
      const frame = open<GradientFrame>(bytes, run, gradientFrameSchema, FRAME_CAP_BYTES)
      const reached = frame.type === 'chunk' ? frame.reached : []
      return { frame: { frame, swarm } satisfies GossipFrame, reached }
    })
  }

  /** Gossip of any other topic; null if it has to be dropped. */
  gossipMessage(bytes: Uint8Array, origin: GossipOrigin): Opened | null {
    return this.#opened(origin, ({ run, swarm }) => {
      const frame: GossipFrame = { frame: open(bytes, run, messageSchema, CONTROL_CAP_BYTES), swarm }
      return { frame, reached: [] }
    })
  }

  /** A frame that one of these two has passed. */
  gossiped(author: PeerId, { frame, swarm }: GossipFrame): void {
    switch (frame.type) {
      case 'contribution':
        this.#assembler.begin(author, frame.manifest, swarm)
        return
      case 'chunk':
        this.#assembler.chunk(author, frame)
        return
      default:
        this.handlers.message(author, frame, swarm === null ? mainChannel : { ...mainChannel, swarm })
    }
  }

  /** Counts what had to be dropped against whoever sent it, and cuts off who does it again and again. */
  offended(from: PeerId, what: string, error: unknown): void {
    this.handlers.refused(from, what, innermost(error))
    if (!this.scores.offend(from)) return
    this.gate.ban(from)
    this.handlers.refused(from, 'peer', 'it sent too much that had to be dropped, and is cut off')
    this.connections.drop(from, 'it misbehaved')
  }

  /** The sender is at fault whoever the author is: it passed on what it should have dropped. */
  #opened(origin: GossipOrigin, read: (origin: GossipOrigin) => Opened): Opened | null {
    try {
      return read(origin)
    } catch (error) {
      this.offended(origin.sender, `gossip of ${origin.author}`, error)
      return null
    }
  }
}

/** Handlers whose errors end the process instead of being taken for the fault of a stream or a peer. */
export function surfacing(handlers: MeshHandlers): MeshHandlers {
  return {
    message: (...told) => queueMicrotask(() => handlers.message(...told)),
    fits: (manifest, swarm) => orFailed(() => handlers.fits(manifest, swarm), false),
    contribution: (...told) => queueMicrotask(() => handlers.contribution(...told)),
    incomplete: (...told) => queueMicrotask(() => handlers.incomplete(...told)),
    connected: (peer) => queueMicrotask(() => handlers.connected(peer)),
    disconnected: (peer) => queueMicrotask(() => handlers.disconnected(peer)),
    refused: (from, what, reason) => queueMicrotask(() => handlers.refused(from, what, reason)),
    transferring: (what, progress) => queueMicrotask(() => handlers.transferring(what, progress)),
    hello: (from, hello) =>
      orFailed(() => handlers.hello(from, hello), {
        accepted: false,
        reason: 'This peer has failed.',
        later: true,
      }),
  }
}

/** What a handler answers, or this if it fails; its error surfaces. */
function orFailed<Answer>(ask: () => Answer, otherwise: Answer): Answer {
  try {
    return ask()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
    return otherwise
  }
}
