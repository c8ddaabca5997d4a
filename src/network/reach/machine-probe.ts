// What of networking works on this machine, whoever else is there: ports, multicast, WebRTC.
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { messageOf } from '../errors.js'
import { ipOf, portOf } from './paths.js'
import { loadWebRtc } from './webrtc.js'

const MDNS = { group: '224.0.0.251', port: 5353 } as const
const MULTICAST_MS = 1_000

/** Why WebRTC cannot be used here; null if it can. */
export async function whyNoWebRtc(): Promise<string | null> {
  const loaded = await loadWebRtc(() => [])
  return 'reason' in loaded ? loaded.reason : null
}

/** Why an address of TCP or websockets cannot be listened on now; null if it can. */
export async function whyNotListen(address: string): Promise<string | null> {
  let host: string | null
  let port: number | null
  try {
    const parsed = multiaddr(address)
    host = ipOf(parsed)
    port = portOf(parsed)
  } catch (error) {
    return `it is not an address: ${messageOf(error)}`
  }
  if (host === null || port === null) return 'it names no IP address and TCP port'
  const at = { host, port }
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'EADDRINUSE' ? 'the port is in use' : error.message)
    })
    server.listen(at, () => server.close(() => resolve(null)))
  })
}

/** Why no datagrams can be sent from here; null if they can. */
export function whyNoDatagrams(): Promise<string | null> {
  const socket = createSocket('udp4')
  return new Promise((resolve) => {
    socket.once('error', (error) => resolve(error.message))
    socket.bind(0, () => socket.close(() => resolve(null)))
  })
}

/**
 * Asks the group of mDNS for a name that nobody has, and listens for the question itself: after how many ms it was
 * heard here, or why it was not.
 */
export async function hearOwnMulticast(): Promise<{ readonly ms: number } | { readonly reason: string }> {
  const question = questionFor(`skein-${randomBytes(6).toString('hex')}`)
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  let beganMs = performance.now()
  let timer: NodeJS.Timeout | undefined
  const heard = new Promise<{ readonly ms: number } | { readonly reason: string }>((resolve) => {
    const failed = (error: Error) => resolve({ reason: error.message })
    timer = setTimeout(() => resolve({ reason: `nothing came back within ${MULTICAST_MS} ms` }), MULTICAST_MS)
    socket.on('error', failed)
    socket.on('message', (bytes: Buffer) => {
      if (bytes.equals(question)) resolve({ ms: performance.now() - beganMs })
    })
    socket.bind(MDNS.port, () => {
      try {
        socket.addMembership(MDNS.group)
        beganMs = performance.now()
        socket.send(question, MDNS.port, MDNS.group, (error) => error && failed(error))
      } catch (error) {
        failed(error as Error)
      }
    })
  })
  try {
    return await heard
  } finally {
    clearTimeout(timer)
    socket.close()
  }
}

/** A DNS question for the address of `NAME.local`. */
function questionFor(name: string): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(1, 4)
  const labels = [name, 'local'].map((label) =>
    Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]),
  )
  const addressOfInternet = Buffer.from([0, 0, 1, 0, 1])
  return Buffer.concat([header, ...labels, addressOfInternet])
}
