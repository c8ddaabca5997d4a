// Asks responders as what the datagrams of one socket arrive there: that tells what the router in between does.
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import { multiaddr } from '@multiformats/multiaddr'
import type { Sighting, Sightings } from '../../ports/probe.js'
import { BINDING_REQUEST, HEADER_BYTES, MAGIC_COOKIE, mappedAddress } from './stun.js'
import { responderAt } from './webrtc.js'

/** More would only delay the answer. */
const MOST_RESPONDERS = 4
/** Datagrams are lost: asked again so often, after so long. */
const AGAIN_MS = 500
const PATIENCE_MS = 2_500

/** The responders at relays with these addresses, as `host:port`. */
export function respondersAt(relays: readonly string[]): readonly string[] {
  const found = relays.flatMap((relay) => responderAt(multiaddr(relay)) ?? [])
  return [...new Set(found)].map((url) => url.replace(/^stun:/, '')).slice(0, MOST_RESPONDERS)
}

/** Asks all of them from one socket. Rejects if there can be no socket. */
export async function askResponders(responders: readonly string[]): Promise<Sightings> {
  const socket = createSocket('udp4')
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, () => resolve())
  })
  // A responder that cannot be reached gives no answer.
  socket.on('error', () => {})
  try {
    const sightings = await Promise.all(responders.map((responder) => askOne(socket, responder)))
    return { localPort: socket.address().port, own: ownAddresses(), sightings }
  } finally {
    socket.close()
  }
}

function askOne(socket: Socket, responder: string): Promise<Sighting> {
  const at = responder.lastIndexOf(':')
  const [host, port] = [responder.slice(0, at), Number(responder.slice(at + 1))]
  const request = bindingRequest()
  return new Promise((resolve) => {
    const settle = (seen: Sighting['seen']) => {
      clearInterval(again)
      clearTimeout(patience)
      socket.removeListener('message', heard)
      resolve({ responder, seen })
    }
    const heard = (answer: Uint8Array) => {
      const seen = mappedAddress(answer, request)
      if (seen !== null) settle(seen)
    }
    const ask = () => socket.send(request, port, host, () => {})
    const again = setInterval(ask, AGAIN_MS)
    const patience = setTimeout(() => settle(null), PATIENCE_MS)
    socket.on('message', heard)
    ask()
  })
}

function bindingRequest(): Uint8Array {
  const request = new Uint8Array(HEADER_BYTES)
  const view = new DataView(request.buffer)
  view.setUint16(0, BINDING_REQUEST)
  view.setUint32(4, MAGIC_COOKIE)
  request.set(randomBytes(12), 8)
  return request
}

const ownAddresses = (): readonly string[] =>
  Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
