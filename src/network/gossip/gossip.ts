// Gossip: the one module that imports gossipsub, with the settings that keep a busy mesh lossless.
import {
  type GossipSub,
  gossipsub,
  type Message,
  type PublishResult,
  TopicValidatorResult,
} from '@chainsafe/libp2p-gossipsub'
import type { ComponentLogger, Connection, PrivateKey, PeerId as RemoteId, Stream } from '@libp2p/interface'
import { peerId as asPeerId, type PeerId, type RunId } from '../../core/ids.js'
import { FRAME_CAP_BYTES } from '../../wire/frames.js'
import type { Budget } from '../flow/budget.js'
import type { Meter } from '../flow/meter.js'
import { room } from '../flow/streams.js'
import type { Scores } from '../scores.js'
import { SmallMessageCache } from './cache.js'
import { isTopicOf } from './topics.js'

type Registrar = Parameters<ReturnType<typeof gossipsub>>[0]['registrar']
type Components = Parameters<ReturnType<typeof gossipsub>>[0]

/** The implementation takes options that its interface leaves out. */
type Pubsub = Omit<GossipSub, 'publish'> & {
  readonly streamsOutbound: Map<string, unknown>
  publish(topic: string, bytes: Uint8Array, options: { floodPublish: boolean }): Promise<PublishResult>
}

/** A message's decoded content, and whom its author sends it to itself. */
export interface Opened {
  readonly frame: unknown
  readonly reached: readonly PeerId[]
}

/** What a validator makes of a message's bytes; null to drop it. */
export type Validate = (sender: PeerId, author: PeerId, bytes: Uint8Array) => Opened | null

/** Gossipsub loses larger messages without an error: `publish` resolves with no recipients. */
const MESSAGE_CAP_BYTES = FRAME_CAP_BYTES

const HEARTBEAT_MS = 1000

export class Gossip {
  readonly #streams = new Map<PeerId, Stream>()
  /** What makes gossipsub open its stream to a peer. */
  #introduce: ((peer: RemoteId, connection: Connection) => unknown) | undefined
  readonly #frames = new WeakMap<Message, unknown>()
  #pubsub!: Pubsub
  /** Publications leave in the order in which they were asked for, though signing is asynchronous. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly meter: Meter,
    private readonly budget: Budget,
    private readonly scores: Scores,
    private readonly run: () => RunId | null,
    private readonly deliver: (author: PeerId, frame: unknown) => void,
  ) {}

  /** The libp2p service. */
  readonly service = (components: Components): GossipSub => {
    const pubsub = gossipsub({
      globalSignaturePolicy: 'StrictSign',
      // Small degrees: among three meshed subscribers every byte is sent D times.
      D: 3,
      Dlo: 2,
      Dhi: 6,
      Dscore: 2,
      // Must be below Dlo and at most D / 2.
      Dout: 1,
      Dlazy: 3,
      heartbeatInterval: HEARTBEAT_MS,
      floodPublish: false,
      fallbackToFloodsub: false,
      allowPublishToZeroTopicPeers: true,
      emitSelf: false,
      runOnLimitedConnection: true,
      // One message after the other: entries of the ledger arrive in the order in which they were sent.
      awaitRpcHandler: true,
      awaitRpcMessageHandler: true,
      messageCache: new SmallMessageCache(3, 5) as never,
      // Once exceeded it silences a peer for good; the bytes in flight are budgeted by whoever publishes.
      maxOutboundBufferSize: undefined,
      maxInboundDataLength: 4 * 1024 * 1024,
      // A peer may announce a handful of topics; each costs about a KiB.
      maxTopicBytesPerPeer: 128 * 1024,
      decodeRpcLimits: {
        maxSubscriptions: 256,
        maxMessages: 256,
        maxIhaveMessageIDs: 1024,
        maxIwantMessageIDs: 1024,
        maxIdontwantMessageIDs: 512,
        maxControlMessages: 256,
        maxPeerInfos: 16,
      },
      scoreParams: {
        // More than 10 peers behind one address would be ignored without a word.
        IPColocationFactorWeight: 0,
        // A link under load answers late now and then; only a habit of it counts.
        behaviourPenaltyThreshold: 6,
        appSpecificScore: (peer) => -this.scores.of(peer),
        appSpecificWeight: 10,
      },
    })({
      privateKey: components.privateKey,
      peerId: components.peerId,
      peerStore: components.peerStore,
      connectionManager: components.connectionManager,
      logger: components.logger,
      registrar: this.#metered(components.registrar),
    } satisfies Components & { privateKey: PrivateKey; logger: ComponentLogger })
    this.#pubsub = pubsub as unknown as Pubsub
    // gossipsub takes a fixed list, but the run is known only later, and by then subscriptions have come.
    const allowedTopics: Pick<Set<string>, 'has'> = { has: (topic) => isTopicOf(this.run(), topic) }
    Object.assign(this.#pubsub, { allowedTopics })
    this.#pubsub.addEventListener('gossipsub:message', ({ detail: { msg } }) => {
      if (msg.type !== 'signed' || !this.#frames.has(msg)) return
      this.deliver(asPeerId(msg.from.toString()), this.#frames.get(msg))
    })
    return pubsub
  }

  /** Takes part in a topic or only publishes on it; messages that `validate` drops go no further. */
  allow(topic: string, validate: Validate): void {
    if (this.#pubsub.topicValidators.has(topic)) return
    this.#pubsub.topicValidators.set(topic, (sender, message) => {
      if (message.type !== 'signed') return TopicValidatorResult.Reject
      const author = asPeerId(message.from.toString())
      const opened = validate(asPeerId(sender.toString()), author, message.data)
      if (opened === null) return TopicValidatorResult.Reject
      if (this.#reachesAll(topic, author, opened.reached)) {
        // Taken, but not passed on: among three subscribers that would double every byte.
        this.deliver(author, opened.frame)
        return TopicValidatorResult.Ignore
      }
      this.#frames.set(message, opened.frame)
      return TopicValidatorResult.Accept
    })
  }

  /** Every subscriber known here gets the message from its author. */
  #reachesAll(topic: string, author: PeerId, reached: readonly PeerId[]): boolean {
    return (
      reached.length > 0 && this.subscribers(topic).every((peer) => peer === author || reached.includes(peer))
    )
  }

  subscribe(topic: string): void {
    this.#pubsub.subscribe(topic)
  }

  subscribers(topic: string): PeerId[] {
    return this.#pubsub.getSubscribers(topic).map((peer) => asPeerId(peer.toString()))
  }

  /**
   * Sends to every connected subscriber, or only into the topic's mesh, whose members pass it on.
   * Resolves with the number of peers it was sent to; rejects for what gossip cannot carry.
   */
  publish(topic: string, bytes: Uint8Array, reach: 'everyone' | 'mesh'): Promise<number> {
    if (bytes.byteLength > MESSAGE_CAP_BYTES) {
      return Promise.reject(
        new RangeError(
          `a gossip message of ${bytes.byteLength} bytes, at most ${MESSAGE_CAP_BYTES} are carried`,
        ),
      )
    }
    const options = { floodPublish: reach === 'everyone' }
    const sent = this.#last.then(
      async () => (await this.#pubsub.publish(topic, bytes, options)).recipients.length,
    )
    this.#last = sent.catch(() => {})
    return sent
  }

  /** Resolves when more may be sent to every subscriber of the topic. */
  async room(topic: string): Promise<void> {
    for (const peer of this.subscribers(topic)) {
      const stream = this.#streams.get(peer)
      if (stream !== undefined) await room(stream)
      await this.budget.room(peer)
    }
  }

  /** Streams to a peer exist; without one the peer is silenced, since gossipsub opens no second one. */
  reaches(peer: PeerId): boolean {
    return this.#streams.get(peer)?.status === 'open'
  }

  /** Has gossip to a peer take another connection; what was under way on the old one still arrives. */
  async move(connection: Connection): Promise<void> {
    const peer = asPeerId(connection.remotePeer.toString())
    const old = this.#streams.get(peer)
    if (old === undefined || this.#introduce === undefined) return
    await old.close().catch(() => {})
    // It would take the old stream for good as long as it is listed.
    this.#pubsub.streamsOutbound.delete(peer)
    await this.#introduce(connection.remotePeer, this.#meteredConnection(connection))
  }

  /** The registrar as gossipsub sees it: each stream it opens or is handed passes the meter first. */
  #metered(registrar: Registrar): Registrar {
    const metered: Pick<Registrar, 'handle' | 'register'> = {
      handle: (protocol, handler, options) =>
        registrar.handle(
          protocol,
          (stream, connection) =>
            handler(
              this.meter.attach(stream, asPeerId(connection.remotePeer.toString()), 'gossip'),
              this.#meteredConnection(connection),
            ),
          options,
        ),
      register: (protocol, topology, options) => {
        this.#introduce = topology.onConnect
        return registrar.register(
          protocol,
          {
            ...topology,
            onConnect: (peer: RemoteId, connection: Connection) =>
              topology.onConnect?.(peer, this.#meteredConnection(connection)),
          },
          options,
        )
      },
    }
    return overlay(registrar, metered)
  }

  #meteredConnection(connection: Connection): Connection {
    const peer = asPeerId(connection.remotePeer.toString())
    const newStream: Connection['newStream'] = async (protocols, options) => {
      const stream = await connection.newStream(protocols, options)
      this.#streams.set(peer, stream)
      stream.addEventListener('close', () => {
        if (this.#streams.get(peer) === stream) this.#streams.delete(peer)
      })
      return this.meter.attach(stream, peer, 'gossip')
    }
    return overlay(connection, { newStream })
  }
}

/** An object with some of its methods replaced. */
function overlay<T extends object>(base: T, replaced: Partial<T>): T {
  return new Proxy(base, {
    get(target, key) {
      if (key in replaced) return replaced[key as keyof T]
      const value = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
