// One stream of bytes over libp2p and nothing of ours: what a transfer is measured against.
import '../polyfill.js'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { closed, sink, source } from './streams.js'

const PROTOCOL = '/skein/plain/1'
const WRITE_BYTES = 2 ** 20

export interface PlainNode {
  readonly addresses: readonly string[]
  /** Gives so many bytes to whoever opens a stream. */
  give(bytes: number): Promise<void>
  /** Takes what a node gives; resolves with how many bytes came. */
  take(address: string): Promise<number>
  close(): Promise<void>
}

/** A bare node with tcp, noise and yamux, as a peer's transports are. */
export async function plainNode(listen: string): Promise<PlainNode> {
  const node: Libp2p = await createLibp2p({
    addresses: { listen: [listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { abortConnectionOnPingFailure: false },
  })
  return {
    addresses: node.getMultiaddrs().map(String),
    async give(bytes) {
      const piece = new Uint8Array(WRITE_BYTES)
      await node.handle(PROTOCOL, async (stream) => {
        function* pieces() {
          for (let at = 0; at < bytes; at += WRITE_BYTES) yield piece.subarray(0, bytes - at)
        }
        await sink(stream)(pieces())
        await stream.close()
      })
    },
    async take(address) {
      const stream = await (await node.dial(multiaddr(address))).newStream(PROTOCOL)
      let bytes = 0
      for await (const { byteLength } of source(stream)) bytes += byteLength
      await stream.close()
      await closed(stream)
      return bytes
    },
    close: async () => node.stop(),
  }
}
