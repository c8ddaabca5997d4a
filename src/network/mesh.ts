// The mesh: the port's methods over one libp2p node and its protocols.
import './polyfill.js'
import type { Connection } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { peerId as asPeerId, type Hash, type PeerId, type RunId } from '../core/ids.js'
import type { Address, Channel, Manifest, Message, Topic } from '../core/messages.js'
import type { Door } from '../ports/door.js'
import type {
  BulkName,
  BulkSource,
  FetchOptions,
  Hello,
  HelloAnswer,
  Mesh,
  MeshHandlers,
  Traffic,
} from '../ports/mesh.js'
import type { AddressSource, Attempt, PeerPath } from '../ports/paths.js'
import type { Probe } from '../ports/probe.js'
import type { PeerStatus } from '../ports/status.js'
import type { LinkConfig } from '../swarmfile/schema.js'
import { sealedFrames } from '../wire/fitting.js'
import { addressFrom, checkRelay, withoutPeer } from './address.js'
import { Bulk } from './bulk/bulk.js'
import { sweepParts } from './bulk/chunk-store.js'
import { BULK_PROTOCOL, BULK_STREAMS } from './bulk/donor.js'
import { Connections } from './connections.js'
import { CONTROL_PROTOCOL, Control } from './direct/control.js'
import { HELLO_PROTOCOL } from './direct/hello.js'
import { Introductions, PEERS_PROTOCOL } from './direct/introductions.js'
import { Liveness } from './direct/liveness.js'
import { STATUS_PROTOCOL, StatusDesk } from './direct/status.js'
import { DOOR_PROTOCOL, Doorkeeper } from './door/doorkeeper.js'
import { Entrance } from './door/entrance.js'
import { Gate } from './door/gate.js'
import { Presence } from './door/presence.js'
import { EnteredRun } from './entered-run.js'
import { messageOf } from './errors.js'
import { type Caps, SOUNDING_PROTOCOL } from './flow/budget.js'
import { Flow } from './flow/flow.js'
import { Gossip } from './gossip/gossip.js'
import { RunTopics } from './gossip/run-topics.js'
import { identityOf } from './identity.js'
import { createNode, startNode } from './node.js'
import { Attempts } from './reach/attempts.js'
import { Calls } from './reach/calls.js'
import { PathMeasures } from './reach/path-measures.js'
import { NetworkProbe } from './reach/probe.js'
import { Reach, type ReachOptions } from './reach/reach.js'
import { peerOf, Rejoin } from './reach/rejoin.js'
import { pathsOf, Ways } from './reach/ways.js'
import { type GossipFrame, Reception, surfacing } from './reception.js'
import { Scores } from './scores.js'

export interface MeshOptions {
  /** This peer's identity, from `generateIdentity`; a restarted peer needs the same one. */
  readonly privateKey: Uint8Array
  /** Multiaddrs to listen on; port 0 takes any free one. */
  readonly listen: readonly string[]
  /** Multiaddrs that others are told; those listened on unless given. */
  readonly announce?: readonly string[] | null
  /** Multiaddrs to call on until they answer. */
  readonly bootstrap?: readonly string[]
  /** Finds peers on the local network. */
  readonly mdns: boolean
  readonly handlers: MeshHandlers
  /** Key of a private network: with another, or none, nobody gets a word through. */
  readonly psk?: Uint8Array | null
  /** Who may come in; whoever reaches this peer, where there is none. */
  readonly door?: Door | null
  /** Links to emulate between clusters. */
  readonly links: readonly LinkConfig[]
  /** This peer's own cluster, as far as it is known before a run is entered. */
  readonly cluster: string
  /** Caps on all bytes of this peer; none unless given. */
  readonly caps?: Caps
  /** Folder for large content while it comes, so that a peer that was killed goes on with it; null for none. */
  readonly partial?: string | null
  /** Ways to and from other networks; on its own network alone unless given. */
  readonly reach?: ReachOptions | null
  /** Called for every call at an address. */
  readonly attempted?: (attempt: Attempt) => void
  readonly log: (message: string) => void
}

/** Short exchanges; also over relays that limit what they carry. */
const FEW_STREAMS = { maxInboundStreams: 8, runOnLimitedConnection: true } as const
/** How long queued control messages may take to leave when a peer closes. */
const FLUSH_MS = 500
/** How long libp2p may take to stop; what is left then dies with the process. */
const STOP_MS = 600

const NO_CAPS: Caps = { uploadBytesPerSecond: null, downloadBytesPerSecond: null }

/**
 * Starts the network of one peer.
 * @throws UserError when an address cannot be listened on
 */
export async function createMesh(options: MeshOptions): Promise<Mesh> {
  const mesh = new Libp2pMesh(options)
  await mesh.start()
  return mesh
}

/**
 * A network that finds out about the ways to others, beside what every one does.
 * @throws UserError when an address cannot be listened on
 */
export async function createProbingMesh(
  options: MeshOptions,
): Promise<{ readonly mesh: Mesh; readonly probe: Probe }> {
  const mesh = new Libp2pMesh(options)
  await mesh.start()
  return { mesh, probe: mesh.probe() }
}

class Libp2pMesh implements Mesh {
  readonly self: PeerId
  readonly #nowMs = () => performance.now()
  readonly #run = new EnteredRun()
  readonly #gate = new Gate(this.#nowMs)
  readonly #scores = new Scores(this.#nowMs)
  readonly #connections: Connections
  readonly #flow: Flow
  readonly #reception: Reception
  readonly #gossip: Gossip
  readonly #topics: RunTopics
  readonly #statusDesk: StatusDesk
  readonly #control: Control
  readonly #bulk: Bulk
  readonly #liveness: Liveness
  readonly #doorkeeper: Doorkeeper | null
  readonly #introductions: Introductions
  readonly #measures = new PathMeasures(this.#nowMs)
  readonly #attempts: Attempts
  readonly #rejoin: Rejoin
  readonly #calls: Calls
  readonly #presence: Presence
  readonly #entrance: Entrance
  #ways: Ways | null = null
  #node!: Libp2p
  #closing: Promise<void> | null = null

  constructor(private readonly options: MeshOptions) {
    const handlers = surfacing(options.handlers)
    this.self = identityOf(options.privateKey)
    const { self } = this
    this.#connections = new Connections(() => this.#node, options.log)
    const connections = this.#connections
    this.#reception = new Reception(handlers, this.#gate, this.#scores, this.#run, connections)
    const reception = this.#reception
    const connectionTo = (peer: PeerId) => this.#presence.connectionTo(peer)
    this.#flow = new Flow({
      links: options.links,
      cluster: options.cluster,
      caps: options.caps ?? NO_CAPS,
      connectionTo,
      heard: (peer) => this.#liveness.heard(peer),
      passed: (peer, bytes) => this.#measures.passed(peer, bytes),
    })
    const { meter, budget } = this.#flow
    const malformed = (what: string) => (from: PeerId, error: unknown) =>
      reception.offended(from, what, error)
    this.#gossip = new Gossip(
      meter,
      budget,
      this.#scores,
      () => this.#run.id,
      (author, frame) => reception.gossiped(author, frame as GossipFrame),
    )
    this.#topics = new RunTopics(this.#run, this.#gossip, reception, handlers.refused)
    this.#statusDesk = new StatusDesk(meter)
    this.#control = new Control(
      meter,
      connectionTo,
      (from, bytes) => reception.received(from, bytes),
      malformed('control message'),
    )
    this.#introductions = new Introductions(meter, (peer) => this.#gate.welcomes(peer))
    this.#attempts = new Attempts((attempt) => options.attempted?.(attempt))
    this.#rejoin = new Rejoin({
      self,
      isConnected: (peer) => connections.has(peer),
      welcomes: (peer) => this.#gate.welcomes(peer),
      isOwn: (address) => this.addresses().some((own) => withoutPeer(own) === withoutPeer(address)),
      dial: (address, signal) => connections.dial(address, { signal }),
      attempted: (attempt) => this.#attempts.note(attempt),
    })
    this.#bulk = new Bulk({
      self,
      run: this.#run,
      meter,
      budget,
      connect: (peer, addresses) => this.#calls.to(peer, addresses),
      addressesOf: (peer) => this.#rejoin.addressesOf(peer),
      crosses: (peer) => this.#flow.links.crosses(peer),
      malformed: malformed('bulk request'),
      refused: (from, what, reason) => reception.offended(from, what, reason),
      transferring: handlers.transferring,
      folder: options.partial ?? null,
    })
    this.#liveness = new Liveness(
      {
        peers: () => this.#presence.peers(),
        beat: (peer) => void this.#control.send(peer, new Uint8Array(0)),
        gossips: (peer) => this.#gossip.reaches(peer),
        drop: (peer, reason) => connections.drop(peer, reason),
      },
      this.#nowMs,
    )
    const { door = null } = options
    this.#doorkeeper =
      door === null
        ? null
        : new Doorkeeper({
            door,
            gate: this.#gate,
            meter,
            self,
            isRelay: (peer) => this.#isRelay(peer),
            hangUp: (peer, reason) => connections.drop(peer, reason),
            admitted: (peer) => this.#presence.admitted(peer),
            refused: (from, reason) => handlers.refused(from, 'peer', reason),
            malformed: malformed('knock'),
          })
    this.#presence = new Presence({
      door: this.#doorkeeper,
      isRelay: (peer) => this.#isRelay(peer),
      connections,
      admitted: (peer, open) => this.#admitted(peer, open),
      came: (peer) => {
        this.#liveness.heard(peer)
        handlers.connected(peer)
      },
      left: (peer) => handlers.disconnected(peer),
    })
    this.#calls = new Calls({
      connections,
      presence: this.#presence,
      gate: this.#gate,
      doorkeeper: this.#doorkeeper,
      rejoin: this.#rejoin,
      attempts: this.#attempts,
    })
    this.#entrance = new Entrance({
      doorkeeper: this.#doorkeeper,
      gate: this.#gate,
      meter,
      connections,
      presence: this.#presence,
      handlers,
      isRelay: (peer) => this.#isRelay(peer),
      malformed: malformed('hello'),
    })
  }

  async start(): Promise<void> {
    const {
      privateKey,
      listen,
      mdns,
      bootstrap = [],
      announce = null,
      psk = null,
      partial = null,
      log,
    } = this.options
    const relays = this.options.reach?.relays ?? []
    for (const address of bootstrap) addressFrom(address)
    for (const address of relays) checkRelay(address)
    const reach =
      this.options.reach == null ? null : await Reach.prepare(this.options.reach, listen, () => this.relays())
    const node = await createNode({
      privateKey,
      listen,
      announce,
      mdns,
      gate: this.#gate,
      psk,
      gossip: this.#gossip,
      doorkeeper: this.#doorkeeper,
      reach,
      found: (peer) => this.#rejoin.found(peer, 'mdns'),
    })
    this.#node = node
    if (reach !== null) this.#ways = this.#openWays(node, reach, log)
    await node.handle(HELLO_PROTOCOL, this.#entrance.handle, FEW_STREAMS)
    await node.handle(STATUS_PROTOCOL, this.#statusDesk.handle, FEW_STREAMS)
    await node.handle(PEERS_PROTOCOL, this.#introductions.handle, FEW_STREAMS)
    await node.handle(CONTROL_PROTOCOL, this.#control.handle, FEW_STREAMS)
    await node.handle(BULK_PROTOCOL, this.#bulk.donor.handle, {
      maxInboundStreams: 2 * BULK_STREAMS,
      runOnLimitedConnection: true,
    })
    await node.handle(SOUNDING_PROTOCOL, this.#flow.budget.handle, FEW_STREAMS)
    if (this.#doorkeeper !== null) await node.handle(DOOR_PROTOCOL, this.#doorkeeper.handle, FEW_STREAMS)
    node.addEventListener('peer:connect', ({ detail }) =>
      this.#presence.connected(asPeerId(detail.toString())),
    )
    node.addEventListener('peer:disconnect', ({ detail }) => this.#disconnected(asPeerId(detail.toString())))
    node.addEventListener('connection:open', ({ detail }) => {
      this.#presence.opened(detail)
      this.#ways?.opened(detail)
    })
    node.addEventListener('peer:identify', ({ detail: { peerId, listenAddrs, protocols } }) => {
      const peer = asPeerId(peerId.toString())
      this.#rejoin.learn(peer, listenAddrs.map(String))
      this.#presence.identified(peer, protocols)
    })
    if (partial !== null) await sweepParts(partial, log)
    await startNode(node, listen)
    await this.#ways?.start()
    this.#liveness.start()
    for (const address of bootstrap) this.#rejoin.remember(address)
  }

  probe(): Probe {
    return new NetworkProbe(this.#node, (peer) => this.#presence.connectionTo(peer))
  }

  addresses(): readonly string[] {
    return this.#node.getMultiaddrs().map(String)
  }

  peers(): readonly PeerId[] {
    return this.#presence.peers()
  }

  place(peer: PeerId, cluster: string): void {
    this.#flow.links.place(peer, cluster)
  }

  enter(run: RunId, cluster: string): void {
    this.#run.enter(run)
    this.#flow.links.settle(cluster)
    this.#doorkeeper?.entered(this.#connections.all())
    this.#ways?.enter(run)
  }

  dial(address: string): Promise<PeerId> {
    return this.#calls.at(address)
  }

  call(peer: PeerId, addresses: readonly string[], by: AddressSource = 'exchange'): void {
    this.#rejoin.call(peer, addresses, by)
  }

  reconsider(): void {
    this.#doorkeeper?.reconsider()
  }

  hello(peer: PeerId, hello: Hello): Promise<HelloAnswer> {
    return this.#entrance.ask(peer, hello)
  }

  async status(peer: PeerId): Promise<PeerStatus> {
    const connection = this.#presence.connectionTo(peer)
    if (connection === undefined) throw new Error(`Cannot ask ${peer}: it is not connected.`)
    return this.#statusDesk.ask(connection)
  }

  tellStatus(source: () => PeerStatus): void {
    this.#statusDesk.tell(source)
  }

  send(peer: PeerId, message: Message, channel?: Channel): boolean {
    return sealedFrames(this.#run.entered(), message, channel).every((frame) =>
      this.#control.send(peer, frame),
    )
  }

  subscribe(topic: Topic, swarm: string | null = null): void {
    this.#topics.subscribe(topic, swarm)
  }

  publish(topic: Topic, message: Message, swarm: string | null = null): void {
    this.#topics.publish(topic, message, swarm)
  }

  publishContribution(
    topic: Topic,
    manifest: Manifest,
    payload: Uint8Array,
    swarm: string | null = null,
  ): Promise<void> {
    return this.#topics.publishContribution(topic, manifest, payload, swarm)
  }

  arriving(payload: Hash): boolean {
    return this.#reception.arriving(payload)
  }

  fetch(
    name: BulkName,
    donors: readonly PeerId[],
    expected: Hash | null,
    options?: FetchOptions,
  ): Promise<Uint8Array> {
    return this.#bulk.fetcher.fetch(this.#run.entered(), name, donors, expected, options)
  }

  fetchFile(
    name: BulkName,
    donors: readonly PeerId[],
    expected: Hash | null,
    path: string,
    options?: FetchOptions,
  ): Promise<void> {
    return this.#bulk.fetcher.fetchFile(this.#run.entered(), name, donors, expected, path, options)
  }

  serve(source: BulkSource): void {
    this.#bulk.offers.serve(source)
  }

  traffic(): Traffic {
    return this.#flow.traffic()
  }

  paths(): readonly PeerPath[] {
    return pathsOf(this.#presence, this.#measures)
  }

  relays(): readonly string[] {
    return this.#ways?.relays() ?? []
  }

  attempts(): readonly Attempt[] {
    return this.#attempts.list()
  }

  seek(run: RunId): void {
    this.#ways?.seek(run)
  }

  async askForPeers(peer: PeerId): Promise<void> {
    const connection = this.#presence.connectionTo(peer)
    if (connection === undefined) throw new Error(`Cannot ask ${peer}: it is not connected.`)
    for (const { peer: other, addresses } of await this.#introductions.ask(connection)) {
      this.#rejoin.call(other, addresses, 'exchange')
    }
  }

  tellPeers(source: () => readonly Address[]): void {
    this.#introductions.tell(source)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#presence.close()
    this.#rejoin.close()
    this.#doorkeeper?.close()
    this.#ways?.close()
    this.#liveness.close()
    this.#reception.close()
    this.#bulk.fetcher.close()
    this.#flow.budget.close()
    await within(FLUSH_MS, this.#control.flush())
    this.#flow.links.close()
    // A stream that waits for a window would keep its connection, and gossipsub, from closing.
    for (const connection of this.#connections.all()) {
      for (const stream of connection.streams) {
        if (stream.protocol !== CONTROL_PROTOCOL) stream.abort(new Error('this peer is closing'))
      }
    }
    await within(STOP_MS, Promise.resolve(this.#node.stop()))
  }

  #isRelay(peer: PeerId): boolean {
    return this.options.reach?.relays.some((relay) => peerOf(relay) === peer) === true
  }

  #admitted(peer: PeerId, connections: readonly Connection[]): void {
    this.#liveness.heard(peer)
    for (const { direction, remoteAddr } of connections) {
      if (direction === 'outbound') this.#rejoin.reached(peer, remoteAddr.toString())
    }
    this.#rejoin.connected(peer)
  }

  #disconnected(peer: PeerId): void {
    this.#control.forget(peer)
    this.#flow.forget(peer)
    this.#liveness.forget(peer)
    this.#measures.forget(peer)
    this.#ways?.forget(peer)
    if (this.#closing === null) this.#rejoin.disconnected(peer)
    this.#presence.disconnected(peer)
  }

  #openWays(node: Libp2p, reach: Reach, log: (message: string) => void): Ways {
    return new Ways({
      node,
      reach,
      log,
      attempts: this.#attempts,
      found: (peer, by) => this.#rejoin.found(peer, by),
      moved: (connection) => {
        this.#control.move(asPeerId(connection.remotePeer.toString()))
        this.#gossip.move(connection).catch((error) => log(`gossip could not move: ${messageOf(error)}`))
      },
    })
  }
}

/** Waits for something, but no longer than a time. */
async function within(ms: number, done: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([done.catch(() => {}), timeout])
  clearTimeout(timer)
}
