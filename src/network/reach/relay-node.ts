// A relay alone: it lets peers reach each other, tells them as what they are seen, holds the hash table, and belongs to
// no run.
import '../polyfill.js'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { noise } from '@libp2p/noise'
import { preSharedKey } from '@libp2p/pnet'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { type PeerId, peerId } from '../../core/ids.js'
import { announcedAddresses, connectionSettings, startNode } from '../node.js'
import type { CertificateFiles } from './certificate.js'
import { Reach } from './reach.js'
import { Ways } from './ways.js'

export interface RelayNodeOptions {
  readonly privateKey: Uint8Array
  readonly listen: readonly string[]
  readonly announce: readonly string[] | null
  /** Other relays, by which this one's hash table is part of theirs. */
  readonly relays: readonly string[]
  readonly bytesPerSecond: number
  readonly upnp: boolean
  /** Key of a private network, whose peers alone it then serves; none unless given. */
  readonly psk?: Uint8Array | null
  /** For secure WebSockets; one that nobody has signed unless given. */
  readonly certificate?: CertificateFiles | null
  readonly log: (message: string) => void
}

export interface RelayCount {
  readonly peers: number
  /** Peers that others reach through this relay. */
  readonly places: number
}

export interface RelayNode {
  readonly self: PeerId
  addresses(): readonly string[]
  count(): RelayCount
  close(): Promise<void>
}

/**
 * Starts a relay.
 * @throws UserError when an address cannot be listened on
 */
export async function createRelayNode(options: RelayNodeOptions): Promise<RelayNode> {
  const {
    privateKey,
    listen,
    announce,
    relays,
    bytesPerSecond,
    upnp,
    psk = null,
    certificate = null,
    log,
  } = options
  const reach = await Reach.prepare(
    { relays, relayBytesPerSecond: bytesPerSecond, upnp, certificate },
    listen,
    () => relays,
  )
  const node = await createLibp2p({
    privateKey: privateKeyFromProtobuf(privateKey),
    addresses: { listen: [...listen], ...announcedAddresses(announce) },
    transports: [tcp(), ...reach.transports],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    ...(psk !== null && { connectionProtector: preSharedKey({ psk }) }),
    ...connectionSettings,
    connectionGater: { denyDialMultiaddr: () => false },
    services: { identify: identify(), ...reach.services },
    start: false,
  })
  await startNode(node, listen)
  const ways = new Ways({ node, reach, log, attempts: null, found: () => {}, moved: () => {} })
  await ways.start()
  return {
    self: peerId(node.peerId.toString()),
    addresses: () => node.getMultiaddrs().map(String),
    count: () => ({ peers: node.getPeers().length, places: reach.places() }),
    close: async () => {
      ways.close()
      // What is relayed would keep its streams, and the relay, from closing.
      for (const connection of node.getConnections()) connection.abort(new Error('this relay is closing'))
      await node.stop()
    },
  }
}
