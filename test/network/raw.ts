// A bare libp2p node, for saying on the wire what no mesh would say.
import '../../src/network/polyfill.js'
import { type GossipSub, gossipsub } from '@chainsafe/libp2p-gossipsub'
import { identify } from '@libp2p/identify'
import type { Connection, Stream } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import * as lengthPrefixed from 'it-length-prefixed'
import { createLibp2p, type Libp2p } from 'libp2p'
import { type PeerId, peerId } from '../../src/core/ids.js'
import { closePeers, type Peer } from './peers.js'

export interface Raw {
  readonly id: PeerId
  readonly gossip: GossipSub
  dial(peer: Peer): Promise<Connection>
  /** Opens a stream of a protocol to a peer. */
  open(peer: Peer, protocol: string): Promise<Stream>
  handle(protocol: string, handler: (stream: Stream) => Promise<void>): Promise<void>
  /** Opens a stream of a protocol to another raw node. */
  openRaw(other: Raw, protocol: string): Promise<Stream>
  readonly address: Multiaddr
}

const nodes = new Set<Libp2p>()

/** @param userAgent what it calls itself; libp2p's own name unless given */
export async function startRaw(userAgent?: string): Promise<Raw> {
  const node = await createLibp2p({
    ...(userAgent !== undefined && { nodeInfo: { userAgent } }),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), gossip: gossipsub({ allowPublishToZeroTopicPeers: true }) },
  })
  nodes.add(node)
  const dial = (peer: Peer) => node.dial(multiaddr(peer.mesh.addresses()[0]))
  return {
    id: peerId(node.peerId.toString()),
    gossip: node.services.gossip,
    dial,
    open: async (peer, protocol) => (await dial(peer)).newStream(protocol),
    openRaw: async (other, protocol) => (await node.dial(other.address)).newStream(protocol),
    handle: async (protocol, handler) => {
      await node.handle(protocol, handler)
    },
    address: node.getMultiaddrs()[0],
  }
}

/** Ends every peer and every raw node that a test left open: an `afterEach` hook. */
export async function closeAll(): Promise<void> {
  await closePeers()
  for (const node of nodes) await node.stop()
  nodes.clear()
}

export const framed = (bytes: Uint8Array): Uint8Array => lengthPrefixed.encode.single(bytes).subarray()
