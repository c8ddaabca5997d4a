// Tells peers as what their datagrams arrive: RFC 5389 binding requests and their answers, and nothing else of it.
// Two peers behind routers that keep ports can then call each other where this has seen them.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'

export const HEADER_BYTES = 20
export const MAGIC_COOKIE = 0x2112a442
export const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const XOR_MAPPED_ADDRESS = 0x0020
const IPV4 = 0x01

/**
 * Answer to a datagram that came from an address and port; null for what is no binding request. Never longer than
 * request and address together, so that it amplifies nothing.
 */
export function bindingAnswer(request: Uint8Array, address: string, port: number): Uint8Array | null {
  if (request.byteLength < HEADER_BYTES) return null
  const asked = new DataView(request.buffer, request.byteOffset, request.byteLength)
  const isRequest = asked.getUint16(0) === BINDING_REQUEST && asked.getUint32(4) === MAGIC_COOKIE
  if (!isRequest || asked.getUint16(2) !== request.byteLength - HEADER_BYTES) return null
  const numbers = address.split('.').map(Number)
  if (numbers.length !== 4) return null
  const answer = new Uint8Array(HEADER_BYTES + 12)
  const view = new DataView(answer.buffer)
  view.setUint16(0, BINDING_SUCCESS)
  view.setUint16(2, 12)
  // Cookie and transaction id are those of the request.
  answer.set(request.subarray(4, HEADER_BYTES), 4)
  view.setUint16(HEADER_BYTES, XOR_MAPPED_ADDRESS)
  view.setUint16(HEADER_BYTES + 2, 8)
  view.setUint8(HEADER_BYTES + 5, IPV4)
  view.setUint16(HEADER_BYTES + 6, port ^ (MAGIC_COOKIE >>> 16))
  const word = numbers.reduce((sum, number) => sum * 256 + number, 0)
  view.setUint32(HEADER_BYTES + 8, (word ^ MAGIC_COOKIE) >>> 0)
  return answer
}

/** Address and port that an answer to this request tells; null for anything else. */
export function mappedAddress(
  answer: Uint8Array,
  request: Uint8Array,
): { readonly address: string; readonly port: number } | null {
  if (answer.byteLength < HEADER_BYTES + 12) return null
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength)
  // Cookie and transaction id are those of the request.
  const isItsOwn = answer.subarray(4, HEADER_BYTES).every((byte, i) => byte === request[i + 4])
  if (view.getUint16(0) !== BINDING_SUCCESS || !isItsOwn) return null
  if (view.getUint16(HEADER_BYTES) !== XOR_MAPPED_ADDRESS || view.getUint8(HEADER_BYTES + 5) !== IPV4)
    return null
  const word = (view.getUint32(HEADER_BYTES + 8) ^ MAGIC_COOKIE) >>> 0
  const address = [24, 16, 8, 0].map((shift) => (word >>> shift) & 0xff).join('.')
  return { address, port: view.getUint16(HEADER_BYTES + 6) ^ (MAGIC_COOKIE >>> 16) }
}

export interface StunResponder {
  readonly port: number
  close(): void
}

/** Answers on a UDP port of every IPv4 address of this machine; rejects if the port is taken. */
export function startStun(port: number): Promise<StunResponder> {
  const socket: Socket = createSocket('udp4')
  socket.on('message', (request: Uint8Array, from: RemoteInfo) => {
    const answer = bindingAnswer(request, from.address, from.port)
    if (answer !== null) socket.send(answer, from.port, from.address)
  })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, '0.0.0.0', () => {
      socket.removeListener('error', reject)
      // A datagram that could not be answered is asked for again.
      socket.on('error', () => {})
      socket.unref()
      resolve({ port: socket.address().port, close: () => socket.close() })
    })
  })
}
