// The libp2p node: transports, encryption, discovery and every setting that a trap of libp2p asks for.
import './polyfill.js'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import type { PeerInfo } from '@libp2p/interface'
import { mdns } from '@libp2p/mdns'
import { noise } from '@libp2p/noise'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p, type Libp2pOptions } from 'libp2p'
import { UserError } from '../core/user-error.js'
import type { Doorkeeper } from './door/doorkeeper.js'
import type { Gate } from './door/gate.js'
import { messageOf } from './errors.js'
import type { Gossip } from './gossip/gossip.js'
import { isLoopback, isRelayed } from './reach/paths.js'
import type { Reach } from './reach/reach.js'
import { userAgent } from './user-agent.js'

/** One tag for all of skein: who belongs to which run is found out by hello. */
const MDNS_TAG = '_skein._udp.local'

export interface NodeOptions {
  /** libp2p's protobuf form of a private key; the same key gives the same identity. */
  readonly privateKey: Uint8Array
  readonly listen: readonly string[]
  /** Multiaddrs that others are told; null for those listened on. */
  readonly announce: readonly string[] | null
  readonly mdns: boolean
  readonly gate: Gate
  /** Key of a private network, as swarm.key files hold it; null for none. */
  readonly psk: Uint8Array | null
  readonly gossip: Gossip
  /** Null where whoever reaches this peer may speak with it. */
  readonly doorkeeper: Doorkeeper | null
  /** Ways to and from other networks; null for a peer of its own network alone. */
  readonly reach: Reach | null
  /** A peer's answer on the local network; comes again with every answer. */
  readonly found: (peer: PeerInfo) => void
}

/** A node that does not listen yet, so that its protocols are there before the first peer is. */
export async function createNode(options: NodeOptions): Promise<Libp2p> {
  for (const address of options.listen) checkAddress(address)
  for (const address of options.announce ?? []) checkAddress(address)
  return createLibp2p(libp2pOptions(options))
}

/** How connections are kept, the traps of libp2p's defaults avoided. */
export const connectionSettings = {
  // It would kill healthy connections that are merely busy: 67 % of a mesh lost. Liveness is ours.
  connectionMonitor: { abortConnectionOnPingFailure: false },
  connectionManager: {
    // At 5 per second and host, 26 of 31 local dials failed.
    inboundConnectionThreshold: 1000,
    maxIncomingPendingConnections: 1000,
    // Between busy machines a handshake takes seconds; who calls decides how long to wait.
    addressDialTimeout: 10_000,
    dialTimeout: 15_000,
    // Reconnecting is ours too: libp2p gives up after 31 s.
    reconnectRetries: 0,
  },
} satisfies Libp2pOptions

/** What libp2p is told, its defaults' traps avoided. */
export function libp2pOptions(options: NodeOptions): Libp2pOptions {
  const discovery: typeof mdns = (init) => (components) => {
    const service = mdns(init)(components)
    // libp2p announces a peer once, but one that restarts has new addresses.
    service.addEventListener('peer', ({ detail }) => options.found(detail))
    return service
  }
  return {
    privateKey: privateKeyFromProtobuf(options.privateKey),
    nodeInfo: { userAgent },
    addresses: { listen: [...options.listen], ...announcedAddresses(options.announce) },
    transports: [tcp(), ...(options.reach?.transports ?? [])],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    ...(options.psk !== null && { connectionProtector: preSharedKey({ psk: options.psk }) }),
    connectionGater: options.gate.gater,
    ...connectionSettings,
    peerDiscovery: options.mdns ? [discovery({ serviceTag: MDNS_TAG })] : [],
    services: {
      // Before anything that takes in streams.
      ...(options.doorkeeper !== null && { door: options.doorkeeper.service }),
      // It tells addresses, protocols and version: only to who is let in.
      identify: identify({ runOnConnectionOpen: options.doorkeeper === null }),
      gossip: options.gossip.service,
      ...options.reach?.services,
    },
    start: false,
  }
}

/** What others are told instead of the addresses listened on, except where it is reached by relay. */
export function announcedAddresses(announce: readonly string[] | null): Libp2pOptions['addresses'] {
  if (announce === null) return { announceFilter: (addresses) => addresses.filter(leadsSomewhere) }
  const given = new Set(announce)
  const isTold = (address: Multiaddr) => given.has(address.toString().replace(/\/p2p\/[^/]+$/, ''))
  return {
    appendAnnounce: [...announce],
    announceFilter: (addresses) =>
      addresses.filter((address) => isTold(address) || (isRelayed(address) && leadsSomewhere(address))),
  }
}

/** A relay's own loopback address is of no use to others. */
const leadsSomewhere = (address: Multiaddr): boolean => !isRelayed(address) || !isLoopback(address)

/**
 * Listens, and looks for peers.
 * @throws UserError when an address cannot be listened on
 */
export async function startNode(node: Libp2p, listen: readonly string[]): Promise<void> {
  try {
    await node.start()
  } catch (error) {
    await Promise.resolve(node.stop()).catch(() => {})
    throw listenError(error, listen)
  }
}

function checkAddress(address: string): void {
  try {
    multiaddr(address)
  } catch (error) {
    throw new UserError(
      'config',
      `Cannot use "${address}": it is not an address (${(error as Error).message}).`,
      'Give a multiaddr of this machine, such as /ip4/127.0.0.1/tcp/0 or /ip4/0.0.0.0/tcp/4001.',
      { cause: error },
    )
  }
}

function listenError(error: unknown, listen: readonly string[]): unknown {
  const message = messageOf(error)
  const busy = /EADDRINUSE/.test(message)
  const taken = listen.filter((address) => message.includes(address))
  const addresses = (taken.length > 0 ? taken : listen).join(', ')
  if (busy) {
    return new UserError(
      'network',
      `cannot listen on ${addresses}: the port is in use`,
      'stop the program that uses it, or choose another port (0 takes any free one)',
      { cause: error },
    )
  }
  if (error instanceof Error && error.name === 'UnsupportedListenAddressesError') {
    return new UserError(
      'network',
      `cannot listen on ${addresses}: ${message.replace(/\s+/g, ' ')}`,
      'give addresses of this machine, such as /ip4/127.0.0.1/tcp/0 or /ip4/0.0.0.0/tcp/4001',
      { cause: error },
    )
  }
  return error
}
