// The mesh: the port's methods, each handed to the part of the network whose business it is.
import type { Connection } from '@libp2p/interface'
import type { Hash, PeerId, RunId } from '../core/ids.js'
import type { Address, Channel, Manifest, Message, Topic } from '../core/messages.js'
import type { BulkName, BulkSource, FetchOptions, Hello, HelloAnswer, Mesh, Traffic } from '../ports/mesh.js'
import type { AddressSource, Attempt, PeerPath } from '../ports/paths.js'
import type { Probe } from '../ports/probe.js'
import type { PeerStatus } from '../ports/status.js'
import { sealedFrames } from '../wire/fitting.js'
import type { MeshOptions } from './mesh-options.js'
import { Network } from './network.js'
import { pathsOf } from './reach/ways.js'

/**
 * Starts the network of one peer.
 * @throws UserError when an address cannot be listened on
 */
export async function createMesh(options: MeshOptions): Promise<Mesh> {
  return new Libp2pMesh(await startNetwork(options))
}

/**
 * A network that finds out about the ways to others, beside what every one does.
 * @throws UserError when an address cannot be listened on
 */
export async function createProbingMesh(
  options: MeshOptions,
): Promise<{ readonly mesh: Mesh; readonly probe: Probe }> {
  const network = await startNetwork(options)
  return { mesh: new Libp2pMesh(network), probe: network.probe() }
}

async function startNetwork(options: MeshOptions): Promise<Network> {
  const network = new Network(options)
  await network.start()
  return network
}

class Libp2pMesh implements Mesh {
  constructor(private readonly network: Network) {}

  get self(): PeerId {
    return this.network.self
  }

  addresses(): readonly string[] {
    return this.network.addresses()
  }

  peers(): readonly PeerId[] {
    return this.network.neighbours.presence.peers()
  }

  place(peer: PeerId, cluster: string): void {
    this.network.flow.links.place(peer, cluster)
  }

  enter(run: RunId, cluster: string): void {
    this.network.enter(run, cluster)
  }

  dial(address: string): Promise<PeerId> {
    return this.network.neighbours.calls.at(address)
  }

  call(peer: PeerId, addresses: readonly string[], by: AddressSource = 'exchange'): void {
    this.network.neighbours.rejoin.call(peer, addresses, by)
  }

  reconsider(): void {
    this.network.neighbours.doorkeeper?.reconsider()
  }

  hello(peer: PeerId, hello: Hello): Promise<HelloAnswer> {
    return this.network.neighbours.entrance.ask(peer, hello)
  }

  async status(peer: PeerId): Promise<PeerStatus> {
    return this.network.statusDesk.ask(this.#connectionTo(peer))
  }

  tellStatus(source: () => PeerStatus): void {
    this.network.statusDesk.tell(source)
  }

  send(peer: PeerId, message: Message, channel?: Channel): boolean {
    const { run, control } = this.network
    return sealedFrames(run.entered(), message, channel).every((frame) => control.send(peer, frame))
  }

  subscribe(topic: Topic, swarm: string | null = null): void {
    this.network.topics.subscribe(topic, swarm)
  }

  publish(topic: Topic, message: Message, swarm: string | null = null): void {
    this.network.topics.publish(topic, message, swarm)
  }

  publishContribution(
    topic: Topic,
    manifest: Manifest,
    payload: Uint8Array,
    swarm: string | null = null,
  ): Promise<void> {
    return this.network.topics.publishContribution(topic, manifest, payload, swarm)
  }

  arriving(payload: Hash): boolean {
    return this.network.reception.arriving(payload)
  }

  fetch(
    name: BulkName,
    donors: readonly PeerId[],
    expected: Hash | null,
    options?: FetchOptions,
  ): Promise<Uint8Array> {
    const { run, bulk } = this.network
    return bulk.fetcher.fetch(run.entered(), name, donors, expected, options)
  }

  fetchFile(
    name: BulkName,
    donors: readonly PeerId[],
    expected: Hash | null,
    path: string,
    options?: FetchOptions,
  ): Promise<void> {
    const { run, bulk } = this.network
    return bulk.fetcher.fetchFile(run.entered(), name, donors, expected, path, options)
  }

  serve(source: BulkSource): void {
    this.network.bulk.offers.serve(source)
  }

  traffic(): Traffic {
    return this.network.flow.traffic()
  }

  paths(): readonly PeerPath[] {
    const { neighbours, measures } = this.network
    return pathsOf(neighbours.presence, measures)
  }

  relays(): readonly string[] {
    return this.network.ways?.relays() ?? []
  }

  attempts(): readonly Attempt[] {
    return this.network.neighbours.attempts.list()
  }

  seek(run: RunId): void {
    this.network.ways?.seek(run)
  }

  async askForPeers(peer: PeerId): Promise<void> {
    const introduced = await this.network.introductions.ask(this.#connectionTo(peer))
    for (const { peer: other, addresses } of introduced) this.call(other, addresses, 'exchange')
  }

  tellPeers(source: () => readonly Address[]): void {
    this.network.introductions.tell(source)
  }

  close(): Promise<void> {
    return this.network.close()
  }

  #connectionTo(peer: PeerId): Connection {
    const connection = this.network.neighbours.presence.connectionTo(peer)
    if (connection === undefined) throw new Error(`Cannot ask ${peer}: it is not connected.`)
    return connection
  }
}
