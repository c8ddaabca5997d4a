// The network of one peer: its parts put together around one libp2p node, begun and ended in order.
import './polyfill.js'
import type { Libp2p } from 'libp2p'
import { peerId as asPeerId, type PeerId, type RunId } from '../core/ids.js'
import type { Probe } from '../ports/probe.js'
import { addressFrom, checkRelay } from './address.js'
import { Bulk } from './bulk/bulk.js'
import { sweepParts } from './bulk/chunk-store.js'
import { BULK_PROTOCOL, BULK_STREAMS } from './bulk/donor.js'
import { Connections } from './connections.js'
import { CONTROL_PROTOCOL, Control } from './direct/control.js'
import { HELLO_PROTOCOL } from './direct/hello.js'
import { Introductions, PEERS_PROTOCOL } from './direct/introductions.js'
import { STATUS_PROTOCOL, StatusDesk } from './direct/status.js'
import { DOOR_PROTOCOL } from './door/doorkeeper.js'
import { Gate } from './door/gate.js'
import { EnteredRun } from './entered-run.js'
import { messageOf } from './errors.js'
import { type Caps, SOUNDING_PROTOCOL } from './flow/budget.js'
import { Flow } from './flow/flow.js'
import { Gossip } from './gossip/gossip.js'
import { RunTopics } from './gossip/run-topics.js'
import { identityOf } from './identity.js'
import type { MeshOptions } from './mesh-options.js'
import { Neighbours } from './neighbours.js'
import { createNode, startNode } from './node.js'
import { PathMeasures } from './reach/path-measures.js'
import { NetworkProbe } from './reach/probe.js'
import { Reach } from './reach/reach.js'
import { Ways } from './reach/ways.js'
import { type GossipFrame, Reception, surfacing } from './reception.js'
import { Scores } from './scores.js'

/** Short exchanges; also over relays that limit what they carry. */
const FEW_STREAMS = { maxInboundStreams: 8, runOnLimitedConnection: true } as const
/** How long queued control messages may take to leave when a peer closes. */
const FLUSH_MS = 500
/** How long libp2p may take to stop; what is left then dies with the process. */
const STOP_MS = 600

const NO_CAPS: Caps = { uploadBytesPerSecond: null, downloadBytesPerSecond: null }

const nowMs = () => performance.now()

export class Network {
  readonly self: PeerId
  readonly run = new EnteredRun()
  readonly measures = new PathMeasures(nowMs)
  readonly reception: Reception
  readonly flow: Flow
  readonly topics: RunTopics
  readonly control: Control
  readonly statusDesk: StatusDesk
  readonly introductions: Introductions
  readonly neighbours: Neighbours
  readonly bulk: Bulk
  readonly #gate = new Gate(nowMs)
  readonly #connections: Connections
  readonly #gossip: Gossip
  #ways: Ways | null = null
  #node!: Libp2p
  #closing: Promise<void> | null = null

  constructor(private readonly options: MeshOptions) {
    const { run } = this
    const scores = new Scores(nowMs)
    const handlers = surfacing(options.handlers)
    const connectionTo = (peer: PeerId) => this.neighbours.presence.connectionTo(peer)
    this.self = identityOf(options.privateKey)
    this.#connections = new Connections(() => this.#node, options.log)
    this.reception = new Reception(handlers, this.#gate, scores, run, this.#connections)
    this.flow = new Flow({
      links: options.links,
      cluster: options.cluster,
      caps: options.caps ?? NO_CAPS,
      connectionTo,
      heard: (peer) => this.neighbours.heard(peer),
      passed: (peer, bytes) => this.measures.passed(peer, bytes),
    })
    const { meter, budget } = this.flow
    this.#gossip = new Gossip(
      meter,
      budget,
      scores,
      () => run.id,
      (author, frame) => this.reception.gossiped(author, frame as GossipFrame),
    )
    this.topics = new RunTopics(run, this.#gossip, this.reception, handlers.refused)
    this.control = new Control(
      meter,
      connectionTo,
      (from, bytes) => this.reception.received(from, bytes),
      (from, error) => this.reception.offended(from, 'control message', error),
    )
    this.statusDesk = new StatusDesk(meter)
    this.introductions = new Introductions(meter, (peer) => this.#gate.welcomes(peer))
    this.neighbours = new Neighbours({
      self: this.self,
      connections: this.#connections,
      gate: this.#gate,
      meter,
      door: options.door ?? null,
      relays: options.reach?.relays ?? [],
      addresses: () => this.addresses(),
      handlers,
      pulse: {
        beat: (peer) => void this.control.send(peer, new Uint8Array(0)),
        gossips: (peer) => this.#gossip.reaches(peer),
      },
      attempted: (attempt) => options.attempted?.(attempt),
      malformed: (from, what, error) => this.reception.offended(from, what, error),
    })
    this.bulk = new Bulk({
      self: this.self,
      run,
      meter,
      budget,
      connect: (peer, addresses) => this.neighbours.calls.to(peer, addresses),
      addressesOf: (peer) => this.neighbours.rejoin.addressesOf(peer),
      crosses: (peer) => this.flow.links.crosses(peer),
      malformed: (from, error) => this.reception.offended(from, 'bulk request', error),
      refused: (from, what, reason) => this.reception.offended(from, what, reason),
      transferring: handlers.transferring,
      folder: options.partial ?? null,
    })
  }

  /** @throws UserError when an address cannot be called or listened on */
  async start(): Promise<void> {
    const { listen, bootstrap = [], partial = null, log } = this.options
    for (const address of bootstrap) addressFrom(address)
    for (const address of this.options.reach?.relays ?? []) checkRelay(address)
    await this.#makeNode()
    await this.#answer()
    this.#follow()
    if (partial !== null) await sweepParts(partial, log)
    await startNode(this.#node, listen)
    await this.#ways?.start()
    this.neighbours.start(bootstrap)
  }

  /** From now on it speaks for this run, as a peer of this cluster. */
  enter(run: RunId, cluster: string): void {
    this.run.enter(run)
    this.flow.links.settle(cluster)
    this.neighbours.doorkeeper?.entered(this.#connections.all())
    this.#ways?.enter(run)
  }

  /** Own multiaddrs with the peer id. */
  addresses(): readonly string[] {
    return this.#node.getMultiaddrs().map(String)
  }

  /** Null without ways to other networks. */
  get ways(): Ways | null {
    return this.#ways
  }

  probe(): Probe {
    return new NetworkProbe(this.#node, (peer) => this.neighbours.presence.connectionTo(peer))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #makeNode(): Promise<void> {
    const {
      privateKey,
      listen,
      announce = null,
      mdns,
      psk = null,
      reach: reachOptions = null,
      log,
    } = this.options
    const known = () => this.#ways?.relays() ?? []
    const reach = reachOptions === null ? null : await Reach.prepare(reachOptions, listen, known)
    const { rejoin, doorkeeper, attempts } = this.neighbours
    this.#node = await createNode({
      privateKey,
      listen,
      announce,
      mdns,
      gate: this.#gate,
      psk,
      gossip: this.#gossip,
      doorkeeper,
      reach,
      found: (peer) => rejoin.found(peer, 'mdns'),
    })
    if (reach === null) return
    this.#ways = new Ways({
      node: this.#node,
      reach,
      log,
      attempts,
      found: (peer, by) => rejoin.found(peer, by),
      moved: (connection) => {
        this.control.move(asPeerId(connection.remotePeer.toString()))
        this.#gossip.move(connection).catch((error) => log(`gossip could not move: ${messageOf(error)}`))
      },
    })
  }

  /** Answers on every protocol of ours. */
  async #answer(): Promise<void> {
    const node = this.#node
    const { entrance, doorkeeper } = this.neighbours
    await node.handle(HELLO_PROTOCOL, entrance.handle, FEW_STREAMS)
    await node.handle(STATUS_PROTOCOL, this.statusDesk.handle, FEW_STREAMS)
    await node.handle(PEERS_PROTOCOL, this.introductions.handle, FEW_STREAMS)
    await node.handle(CONTROL_PROTOCOL, this.control.handle, FEW_STREAMS)
    await node.handle(BULK_PROTOCOL, this.bulk.donor.handle, {
      maxInboundStreams: 2 * BULK_STREAMS,
      runOnLimitedConnection: true,
    })
    await node.handle(SOUNDING_PROTOCOL, this.flow.budget.handle, FEW_STREAMS)
    if (doorkeeper !== null) await node.handle(DOOR_PROTOCOL, doorkeeper.handle, FEW_STREAMS)
  }

  /** Follows who comes and goes, and by which connections. */
  #follow(): void {
    const node = this.#node
    const { presence, rejoin } = this.neighbours
    node.addEventListener('peer:connect', ({ detail }) => presence.connected(asPeerId(detail.toString())))
    node.addEventListener('peer:disconnect', ({ detail }) => this.#forget(asPeerId(detail.toString())))
    node.addEventListener('connection:open', ({ detail }) => {
      presence.opened(detail)
      this.#ways?.opened(detail)
    })
    node.addEventListener('peer:identify', ({ detail: { peerId, listenAddrs, protocols } }) => {
      const peer = asPeerId(peerId.toString())
      rejoin.learn(peer, listenAddrs.map(String))
      presence.identified(peer, protocols)
    })
  }

  #forget(peer: PeerId): void {
    this.control.forget(peer)
    this.flow.forget(peer)
    this.measures.forget(peer)
    this.#ways?.forget(peer)
    this.neighbours.disconnected(peer)
  }

  async #close(): Promise<void> {
    this.neighbours.close()
    this.#ways?.close()
    this.reception.close()
    this.bulk.fetcher.close()
    this.flow.budget.close()
    await within(FLUSH_MS, this.control.flush())
    this.flow.links.close()
    // A stream that waits for a window would keep its connection, and gossipsub, from closing.
    for (const connection of this.#connections.all()) {
      for (const stream of connection.streams) {
        if (stream.protocol !== CONTROL_PROTOCOL) stream.abort(new Error('this peer is closing'))
      }
    }
    await within(STOP_MS, Promise.resolve(this.#node.stop()))
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
