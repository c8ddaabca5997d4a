// The ways between this peer and others on other networks: places at relays, the hash table, direct connections instead
// of relayed ones; and what is known of the path to each peer.
import type { Connection, PeerInfo } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { type PeerId, peerId, type RunId } from '../../core/ids.js'
import type { AddressSource, PeerPath } from '../../ports/paths.js'
import type { Presence } from '../door/presence.js'
import { messageOf } from '../errors.js'
import type { Attempts } from './attempts.js'
import { type Certificate, CertificateWatch } from './certificate.js'
import { RunInTable } from './dht.js'
import type { PathMeasures } from './path-measures.js'
import { isRelayed, pathKind, portOf } from './paths.js'
import type { Reach } from './reach.js'
import { Reservations } from './reservations.js'
import { type StunResponder, startStun } from './stun.js'
import { Upgrades } from './upgrades.js'

/** A relay that does not answer holds up the start of a peer so long at most: the peer is told of meanwhile. */
const FIRST_PLACES_MS = 4_000

export interface WaysOptions {
  readonly node: Libp2p
  readonly reach: Reach
  /** Null where nobody asks for them. */
  readonly attempts: Attempts | null
  readonly found: (peer: PeerInfo, by: AddressSource) => void
  /** Long-lived streams to a peer move to this connection. */
  readonly moved: (connection: Connection) => void
  readonly log: (message: string) => void
}

export class Ways {
  readonly #reservations: Reservations
  readonly #upgrades: Upgrades
  #table: RunInTable | null = null
  #stun: StunResponder | null = null
  #certificate: CertificateWatch | null = null

  constructor(private readonly options: WaysOptions) {
    const { node, reach, attempts, moved, log } = options
    this.#reservations = new Reservations(
      reach.options.relays,
      {
        listen: async (address) => reach.parts?.transportManager.listen([address]),
        addresses: () => node.getMultiaddrs().map(String),
        log,
      },
      () => performance.now(),
    )
    this.#upgrades = new Upgrades(
      {
        connections: (peer) =>
          node.getConnections().filter(({ remotePeer }) => peerId(remotePeer.toString()) === peer),
        dial: (address) => node.dial(address, { force: true }),
        moved,
        attempted: (attempt) => attempts?.note(attempt),
      },
      reach.noWebRtc === null,
    )
  }

  /** Begins once the node listens; resolves when relays had time to answer. */
  async start(): Promise<void> {
    const { reach, node, found, log } = this.options
    if (reach.noWebRtc !== null) log(reach.noWebRtc)
    this.#trustOwnAddresses()
    this.#table = new RunInTable(node.contentRouting, (peer) => found(peer, 'dht'), log)
    if (reach.options.relayBytesPerSecond !== null) await this.#respond()
    this.#watchCertificate()
    const firstPlaces = this.#reservations.start()
    if (reach.options.relays.length > 0) await Promise.race([firstPlaces, patience(FIRST_PLACES_MS)])
  }

  /** A connection was opened, the first to its peer or one more. */
  opened(connection: Connection): void {
    this.#upgrades.opened(connection)
  }

  forget(peer: PeerId): void {
    this.#upgrades.forget(peer)
  }

  seek(run: RunId): void {
    this.#table?.seek(run)
  }

  enter(run: RunId): void {
    this.#table?.enter(run)
  }

  /** Relays at which this peer is reached, and itself if it is one. */
  relays(): readonly string[] {
    const { reach, node } = this.options
    const own = node.getMultiaddrs().filter((address) => !isRelayed(address))
    const isRelay = reach.options.relayBytesPerSecond !== null
    return [...(isRelay ? own.map(String) : []), ...this.#reservations.held()]
  }

  close(): void {
    this.#reservations.close()
    this.#upgrades.close()
    this.#table?.close()
    this.#stun?.close()
    this.#certificate?.close()
  }

  /** A public address of this machine is told before four strangers have tried it: libp2p would wait for them. */
  #trustOwnAddresses(): void {
    const addresses = this.options.reach.parts?.addressManager
    for (const { multiaddr, type, verified } of addresses?.getAddressesWithMetadata() ?? []) {
      if (type === 'transport' && !verified) addresses?.confirmObservedAddr(multiaddr, { type: 'transport' })
    }
  }

  #watchCertificate(): void {
    const { reach, log } = this.options
    const { certificate = null } = reach.options
    if (certificate === null) return
    const renewed = (detail: Certificate) =>
      void reach.parts?.events.dispatchEvent(new CustomEvent('certificate:renew', { detail }))
    this.#certificate = new CertificateWatch(certificate, renewed, log)
    this.#certificate.start()
  }

  /** Tells peers as what they are seen, on the UDP port of the same number as the TCP port. */
  async #respond(): Promise<void> {
    const { node, log } = this.options
    const port = node.getMultiaddrs().flatMap((address) => portOf(address) ?? [])[0]
    if (port === undefined) return
    try {
      this.#stun = await startStun(port)
    } catch (error) {
      log(`peers are not told how they are seen from here: ${messageOf(error)}`)
    }
  }
}

/** The path to each of those who are here. */
export function pathsOf(here: Presence, measures: PathMeasures): readonly PeerPath[] {
  return here.peers().flatMap((peer) => {
    const connection = here.connectionTo(peer)
    if (connection === undefined) return []
    const { remoteAddr, rtt } = connection
    return {
      peer,
      kind: pathKind(remoteAddr),
      address: remoteAddr.toString(),
      roundTripMs: rtt === undefined ? null : Math.round(rtt),
      bytesPerSecond: measures.bytesPerSecond(peer),
    }
  })
}

function patience(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })
}
