// A peer's part in the swarm above its cluster: it holds that swarm's outer state if it votes in its cluster, and speaks
// for the cluster while it leads it.

import { isVoter } from '../core/configuration.js'
import type { PeerId, Version } from '../core/ids.js'
import { type Channel, type Manifest, type Message, mainChannel, type Voice } from '../core/messages.js'
import { representation } from '../core/representative.js'
import type { HeldState, PeerSetup, PeerState } from '../core/state.js'
import type { Mesh } from '../ports/mesh.js'
import type { AboveStatus } from '../ports/status.js'
import { ClusterVoice } from './cluster-voice.js'
import type { Contributions } from './contributions.js'
import type { Dispatch } from './driver.js'
import type { RunStage } from './inbox.js'
import { clusterOfPeer, clusterPeer, Speakers } from './speakers.js'
import { aboveStatusOf } from './status.js'
import { upperMesh } from './swarm-mesh.js'
import { SwarmPeer, type SwarmPeerParts } from './swarm-peer.js'

/** What the swarm above needs of the peer whose part in it this is. */
export interface AboveParts {
  readonly mesh: Mesh
  /** Of this peer as one that holds the outer state there, and of its cluster as a worker there. */
  readonly holderSetup: (held: HeldState | null) => PeerSetup
  readonly voiceSetup: () => PeerSetup
  /** What is kept there of an earlier start, opened; null in a folder that must not vote again. Whoever opens it closes it. */
  readonly open: () => Promise<Opened | null>
  /** What a holder does beside. */
  readonly holder: Pick<
    SwarmPeerParts,
    'account' | 'evaluation' | 'checkpoint' | 'corpus' | 'shutOut' | 'fail' | 'report' | 'before'
  >
  /** The cluster's own swarm. */
  readonly cluster: {
    readonly dispatch: Dispatch
    readonly state: () => PeerState
    readonly contributions: () => Contributions
  }
  readonly warn: (message: string) => void
}

export interface Opened extends Pick<SwarmPeerParts, 'disk' | 'snapshots' | 'states'> {
  readonly held: HeldState | null
  readonly close: () => Promise<void>
}

export class Above implements RunStage {
  readonly #speakers = new Speakers()
  readonly #connected = new Set<PeerId>()
  readonly #self: PeerId
  readonly #cluster: string
  #holder: SwarmPeer | null = null
  #opened: Opened | null = null
  #standing: Promise<void> | null = null
  #voice: ClusterVoice | null = null
  #closed = false

  constructor(private readonly parts: AboveParts) {
    this.#self = parts.mesh.self
    this.#cluster = parts.voiceSetup().self.cluster
  }

  /** The state of this peer as a holder; null where it is none. */
  get state(): PeerState | null {
    return this.#holder?.driver.state ?? null
  }

  /** What this peer knows of the swarm above. @param leads why it leads there */
  status(leads: string | null): AboveStatus {
    return aboveStatusOf(this.state, leads, (cluster) => this.#speakers.of(cluster))
  }

  theta(version: Version): Float32Array | undefined {
    return this.#opened?.states.theta(version)
  }

  /** Called after every event of the cluster's swarm. */
  follow(before: PeerState, after: PeerState): void {
    const { replica } = after
    if (replica !== null && isVoter(replica.configuration, this.#self)) void this.stand()
    for (const news of representation(before, after)) {
      switch (news.type) {
        case 'begin':
          this.#speak(after, news.holding)
          break
        case 'contribute':
          this.#voice?.contribute(news.manifest)
          break
        case 'conclude':
          this.#voice?.conclude(news.account)
          break
        case 'end':
          this.#fallSilent()
          break
        default:
          news satisfies never
      }
    }
  }

  /** Holds the outer state from here on, as long as it is asked to. */
  stand(): Promise<void> {
    this.#standing ??= this.#stand().catch(this.parts.holder.fail)
    return this.#standing
  }

  /** Its user stops this peer. */
  requestStop(): void {
    this.#fallSilent()
    this.#holder?.driver.dispatch({ type: 'stop-requested' })
  }

  /** Its user has a peer shut out. False if this peer does not vote above: else every cluster, its own too, hears of it. */
  requestShutOut(who: PeerId, reason: string): boolean {
    const driver = this.#holder?.driver
    const configuration = driver?.state.replica?.configuration
    if (driver === undefined || configuration === undefined || !isVoter(configuration, this.#self))
      return false
    driver.dispatch({ type: 'shut-out-requested', who, reason })
    return true
  }

  /** Resolves once this peer's part there is over; at once where it has none, or the end is not in sight. */
  async ended(): Promise<PeerState | null> {
    await this.#standing
    const driver = this.#holder?.driver
    if (driver === undefined) return null
    if (driver.state.finishing !== null || driver.state.leaving) await driver.ended
    return driver.state
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#fallSilent()
    await this.#standing
    this.#holder?.driver.close()
  }

  /** This peer listens elsewhere now. */
  moved(addresses: readonly string[]): void {
    this.#holder?.driver.dispatch({ type: 'moved', addresses })
  }

  connected(peer: PeerId): void {
    this.#connected.add(peer)
    this.#holder?.driver.dispatch({ type: 'connected', peer })
    this.#voice?.dispatch({ type: 'connected', peer })
  }

  disconnected(peer: PeerId): void {
    this.#connected.delete(peer)
    this.#holder?.driver.dispatch({ type: 'disconnected', peer })
    for (const cluster of this.#speakers.clustersOf(peer))
      this.#holder?.driver.dispatch({ type: 'disconnected', peer: clusterPeer(cluster) })
    this.#voice?.dispatch({ type: 'disconnected', peer })
  }

  message(from: PeerId, message: Message, { voice, hearer }: Channel): void {
    if (hearer !== null) {
      if (hearer === this.#cluster) this.#voice?.dispatch({ type: 'message', from, message })
      return
    }
    if (voice !== null) return this.#heardFor(voice, from, message)
    this.#holder?.driver.dispatch({ type: 'message', from, message })
    // Entries are published on the topic of a cluster, for whoever listens there.
    if (message.type === 'entries') this.#voice?.dispatch({ type: 'message', from, message })
  }

  fits(manifest: Manifest): boolean {
    return this.#holder?.contributions.fits(manifest) === true
  }

  contribution(from: PeerId, manifest: Manifest, payload: Uint8Array): void {
    void this.#holder?.contributions.arrived(this.#speakerAs(from), manifest, payload)
  }

  incomplete(from: PeerId, manifest: Manifest): void {
    this.#holder?.contributions.missed(manifest.payload)
    this.#holder?.driver.dispatch({ type: 'contribution-incomplete', from: this.#speakerAs(from), manifest })
  }

  readonly serve: SwarmPeer['serve'] = (name) => this.#holder?.serve(name) ?? Promise.resolve(null)

  async #stand(): Promise<void> {
    const opened = await this.parts.open()
    if (opened === null || this.#closed) return
    this.#opened = opened
    const mesh = upperMesh(this.parts.mesh, {
      send: (to, message) => this.#send(to, message),
      peers: (donors) => this.#peersOf(donors),
      here: async (name) =>
        name.kind === 'payload' ? this.parts.cluster.contributions().held(name.hash) : null,
    })
    const holder = new SwarmPeer({
      ...this.parts.holder,
      setup: this.parts.holderSetup(opened.held),
      mesh,
      disk: opened.disk,
      snapshots: opened.snapshots,
      states: opened.states,
      work: () => noWork,
      stepped: () => {},
      // The cluster's voice beside who leads above does not hear what that one publishes.
      shutOut: (who) => {
        this.parts.holder.shutOut(who)
        this.#voice?.shutOut(who)
      },
    })
    this.#holder = holder
    holder.driver.dispatch({ type: 'started', speed: null, holding: [] })
    for (const peer of this.#connected) holder.driver.dispatch({ type: 'connected', peer })
  }

  #speak({ epoch, term }: PeerState, holding: readonly Manifest[]): void {
    this.#fallSilent()
    const voice: Voice = { cluster: this.#cluster, epoch, term }
    const { mesh, cluster, warn, voiceSetup } = this.parts
    this.#voice = new ClusterVoice({
      setup: voiceSetup(),
      mesh,
      cluster,
      theta: (version) => this.theta(version),
      send: (to, message) => this.#say(voice, to, message),
      warn,
    })
    // The holder beside it is reached without a connection.
    this.#voice.begin(holding, [this.#self, ...this.#connected])
  }

  #fallSilent(): void {
    this.#voice?.close()
    this.#voice = null
  }

  /** Says something for the cluster; what is said to a holder in this very process does not leave it. */
  #say(voice: Voice, to: PeerId, message: Message): void {
    if (to === this.#self) queueMicrotask(() => this.#heardFor(voice, to, message))
    else this.parts.mesh.send(to, message, { ...mainChannel, voice })
  }

  #heardFor(voice: Voice, from: PeerId, message: Message): void {
    const holder = this.#holder
    if (holder === null || !this.#speakers.hear(voice, from)) return
    const peer = clusterPeer(voice.cluster)
    if (!holder.driver.state.connected.includes(peer)) holder.driver.dispatch({ type: 'connected', peer })
    holder.driver.dispatch({ type: 'message', from: peer, message })
  }

  #send(to: PeerId, message: Message): boolean {
    const cluster = clusterOfPeer(to)
    if (cluster === null) return this.parts.mesh.send(to, message)
    const speaker = this.#speakers.of(cluster)
    if (speaker === null) return false
    if (speaker !== this.#self)
      return this.parts.mesh.send(speaker, message, { ...mainChannel, hearer: cluster })
    queueMicrotask(() => this.#voice?.dispatch({ type: 'message', from: this.#self, message }))
    return true
  }

  #peersOf(donors: readonly PeerId[]): readonly PeerId[] {
    const peers = donors.flatMap((donor) => {
      const cluster = clusterOfPeer(donor)
      return cluster === null ? [donor] : (this.#speakers.of(cluster) ?? [])
    })
    return [...new Set(peers)].filter((peer) => peer !== this.#self)
  }

  /** A contribution is its cluster's, whoever sent it. */
  #speakerAs(peer: PeerId): PeerId {
    const [cluster] = this.#speakers.clustersOf(peer)
    return cluster === undefined ? peer : clusterPeer(cluster)
  }
}

/** Who only holds the outer state is given no rounds. */
const noWork: ReturnType<SwarmPeerParts['work']> = {
  train: ({ id }) => {
    throw new Error(`A holder was given round ${id}.`)
  },
  abort: () => {},
  payload: () => null,
  held: () => null,
  forget: () => {},
}
