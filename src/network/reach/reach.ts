// How a peer is reached from other networks, and reaches peers there: the transports and services of libp2p for it.
import { autoNAT } from '@libp2p/autonat'
import { type CircuitRelayService, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import type { Libp2pEvents, TypedEventTarget } from '@libp2p/interface'
import type { AddressManager, TransportManager } from '@libp2p/interface-internal'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { type Ping, ping } from '@libp2p/ping'
import { uPnPNAT } from '@libp2p/upnp-nat'
import { multiaddr } from '@multiformats/multiaddr'
import type { Libp2pOptions } from 'libp2p'
import {
  type Certificate,
  type CertificateFiles,
  isSecure,
  makeCertificate,
  readCertificate,
} from './certificate.js'
import { relayServer } from './relay.js'
import { loadWebRtc, responderAt } from './webrtc.js'
import { webSocketTransport } from './websocket.js'

export const DHT_PROTOCOL = '/skein/kad/1'

export interface ReachOptions {
  /** Multiaddrs of relays at which this peer can be reached, and through which it reaches others. */
  readonly relays: readonly string[]
  /** Relays for others, at most so many bytes per second all together; null for a peer that does not. */
  readonly relayBytesPerSecond: number | null
  /** Asks the router to let callers in. */
  readonly upnp: boolean
  /** For secure WebSockets; one that nobody has signed unless given. */
  readonly certificate?: CertificateFiles | null
}

const upnpSettings = {
  portMappingDescription: 'skein',
  // It would be told once four strangers had tried it, and a small swarm has none.
  autoConfirmAddress: true,
}

type Transports = NonNullable<Libp2pOptions['transports']>
type Services = NonNullable<Libp2pOptions['services']>
/** Parts of libp2p that it shows to its services alone. */
export interface Parts {
  readonly transportManager: Pick<TransportManager, 'listen'>
  readonly addressManager: Pick<AddressManager, 'getAddressesWithMetadata' | 'confirmObservedAddr'>
  readonly events: TypedEventTarget<Libp2pEvents>
}

export class Reach {
  /** Asks for round trips; there once the node is. */
  ping: Ping | null = null
  dht: KadDHT | null = null
  parts: Parts | null = null
  #relay: CircuitRelayService | null = null

  private constructor(
    readonly options: ReachOptions,
    readonly transports: Transports,
    /** Null where WebRTC works here. */
    readonly noWebRtc: string | null,
  ) {}

  /**
   * @param listen where the node will listen
   * @param known relays that are known at a time
   * @throws UserError when a certificate is given that cannot be used
   */
  static async prepare(
    options: ReachOptions,
    listen: readonly string[],
    known: () => readonly string[],
  ): Promise<Reach> {
    const responders = () => [...new Set(known().flatMap((address) => responderAt(multiaddr(address)) ?? []))]
    // More would only delay a call: one answer says it all.
    const webRtc = await loadWebRtc(() => responders().slice(0, 3))
    const transports: Transports = [
      webSocketTransport(await certificateFor(options, listen)),
      circuitRelayTransport(),
    ]
    if ('transport' in webRtc) transports.push(webRtc.transport)
    return new Reach(options, transports, 'reason' in webRtc ? webRtc.reason : null)
  }

  get services(): Services {
    const { upnp, relayBytesPerSecond } = this.options
    return {
      ping: (components: Parameters<ReturnType<typeof ping>>[0]) => {
        this.ping = ping()(components)
        return this.ping
      },
      dht: (components: Parameters<ReturnType<typeof kadDHT>>[0]) => {
        this.dht = this.#hashTable(components)
        return this.dht
      },
      libp2p: ({ transportManager, addressManager, events }: Parts) => {
        this.parts = { transportManager, addressManager, events }
        return {}
      },
      autonat: autoNAT(),
      ...(upnp ? { upnp: uPnPNAT(upnpSettings) } : {}),
      ...(relayBytesPerSecond === null ? {} : { relay: this.#relayServer(relayBytesPerSecond) }),
    } as unknown as Services
  }

  /** Peers that this relay keeps a place for. */
  places(): number {
    return this.#relay?.reservations.size ?? 0
  }

  #hashTable(components: Parameters<ReturnType<typeof kadDHT>>[0]): KadDHT {
    // Private addresses are passed on too: peers of one network find each other by them.
    const dht = kadDHT({ protocol: DHT_PROTOCOL, peerInfoMapper: passthroughMapper })(components)
    const { relays, relayBytesPerSecond } = this.options
    if (relays.length > 0 && relayBytesPerSecond === null) return dht
    // libp2p makes a server only of a peer with a public address, and a network of one's own has none.
    const setMode = dht.setMode.bind(dht)
    dht.setMode = (_, options) => setMode('server', options)
    return dht
  }

  #relayServer(bytesPerSecond: number) {
    const service = relayServer(bytesPerSecond, () => performance.now())
    return (components: Parameters<typeof service>[0]) => {
      this.#relay = service(components)
      return this.#relay
    }
  }
}

/** Undefined where nothing asks for one. */
async function certificateFor(
  { certificate = null }: ReachOptions,
  listen: readonly string[],
): Promise<Certificate | undefined> {
  if (certificate !== null) return readCertificate(certificate, Date.now())
  return listen.some(isSecure) ? makeCertificate(Date.now()) : undefined
}
