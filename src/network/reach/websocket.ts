// WebSockets, plain and secure, for networks that let nothing else out.
import { once } from 'node:events'
import { type WebSocketsInit, webSockets } from '@libp2p/websockets'
import type { Multiaddr } from '@multiformats/multiaddr'
import { WebSocket } from 'ws'
import { portOf } from './paths.js'

/** RFC 6455, section 7.4.1. */
const ABNORMAL = 1006

type Components = Parameters<ReturnType<typeof webSockets>>[0]
type Transport = ReturnType<ReturnType<typeof webSockets>>
type Listener = ReturnType<Transport['createListener']>
/** The parts of the transport that are changed; its interface leaves them out. */
interface Inside extends Transport {
  _connect(address: Multiaddr, options: { readonly signal?: AbortSignal }): Promise<WebSocket>
  createListener(options: Parameters<Transport['createListener']>[0]): Listener & {
    readonly wsServer: {
      handleUpgrade(request: unknown, duplex: unknown, head: unknown, done: Upgraded): void
    }
  }
}
type Upgraded = (socket: WebSocket, request: unknown) => void

/**
 * Makes a socket stand what strangers do: an error of which nobody takes notice would end the process; and libp2p resets
 * a connection by a code that `ws` refuses, so that it would stay.
 */
function harden(socket: WebSocket): void {
  socket.on('error', () => {})
  const close = socket.close.bind(socket)
  socket.close = (code) => (code === ABNORMAL ? socket.terminate() : close(code))
}

/**
 * libp2p's transport, which calls with a socket that takes any certificate: the encryption inside proves who answers, and
 * in a private network nobody signs certificates. That of Node cannot be told so.
 *
 * @param https for listening where the address is a secure one
 */
export function webSocketTransport(https: WebSocketsInit['https']) {
  return (components: Components): Transport => {
    const transport = webSockets(https === undefined ? {} : { https })(components) as Inside
    transport._connect = async (address, { signal }) => {
      signal?.throwIfAborted()
      const socket = new WebSocket(urlOf(address), { rejectUnauthorized: false, perMessageDeflate: false })
      socket.binaryType = 'arraybuffer'
      harden(socket)
      try {
        await once(socket, 'open', { signal })
      } catch (error) {
        socket.close()
        throw signal?.aborted === true ? signal.reason : error
      }
      return socket
    }
    const createListener = transport.createListener.bind(transport)
    transport.createListener = (options) => {
      const listener = createListener(options)
      const { wsServer } = listener
      const handleUpgrade = wsServer.handleUpgrade.bind(wsServer)
      wsServer.handleUpgrade = (request, duplex, head, done) =>
        handleUpgrade(request, duplex, head, (socket, from) => {
          harden(socket)
          done(socket, from)
        })
      return listener
    }
    return transport
  }
}

function urlOf(address: Multiaddr): string {
  const parts = address.getComponents()
  const names = parts.map(({ name }) => name)
  const host = parts[0]?.value ?? ''
  // The name that the certificate is asked for may differ from the one that is called.
  const name = parts.find((part) => part.name === 'sni')?.value ?? (host.includes(':') ? `[${host}]` : host)
  const scheme = names.includes('tls') || names.includes('wss') ? 'wss' : 'ws'
  return `${scheme}://${name}:${portOf(address)}`
}
