// WebSockets, plain and secure: calls, certificates of one's own, and strangers that break the protocol.
import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { connect as connectTls } from 'node:tls'
import type { MultiaddrConnection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import {
  type Certificate,
  CertificateWatch,
  isSecure,
  makeCertificate,
  readCertificate,
} from '../../src/network/reach/certificate.js'
import { portOf } from '../../src/network/reach/paths.js'
import { webSocketTransport } from '../../src/network/reach/websocket.js'
import { closePeers, join, numbered, type Peer, startPeer } from './peers.js'

const reach = { relays: [], relayBytesPerSecond: null, upnp: false }
const PLAIN = '/ip4/127.0.0.1/tcp/0/ws'
const SECURE = '/ip4/127.0.0.1/tcp/0/tls/ws'
const NOW_MS = Date.UTC(2026, 0, 1)

const portAt = ({ mesh }: Peer): number => portOf(multiaddr(mesh.addresses()[0])) ?? 0

/** A folder with a certificate and its key, as certbot leaves them. */
async function filesWith(certificate: Certificate) {
  const folder = await mkdtemp(joinPath(tmpdir(), 'skein-tls-'))
  const files = { cert: joinPath(folder, 'fullchain.pem'), key: joinPath(folder, 'privkey.pem') }
  const write = async ({ cert, key }: Certificate) => {
    await writeFile(files.key, key)
    await writeFile(files.cert, cert)
  }
  await write(certificate)
  return { files, write, remove: () => rm(folder, { recursive: true }) }
}

describe('A peer that listens for WebSockets', () => {
  afterEach(closePeers)

  for (const [kind, address] of [
    ['plain', PLAIN],
    ['secure', SECURE],
  ] as const) {
    it(`is reached by ${kind} ones`, async () => {
      const host = await startPeer({ listen: [address], reach })
      const guest = await startPeer({ reach })
      await join(guest, host)
      assert.equal(isSecure(guest.mesh.paths()[0].address), kind === 'secure')
      assert.match(guest.mesh.paths()[0].address, /\/ws\b/)
      assert(guest.mesh.send(host.mesh.self, numbered(3)))
      await host.heard('message')
    })
  }

  it('shows the certificate that it was given, and is reached with it', async () => {
    const certificate = await makeCertificate(Date.now())
    const { files, remove } = await filesWith(certificate)
    try {
      const host = await startPeer({ listen: [SECURE], reach: { ...reach, certificate: files } })
      const guest = await startPeer({ reach })
      await join(guest, host)
      const seen = connectTls({ port: portAt(host), host: '127.0.0.1', rejectUnauthorized: false })
      await once(seen, 'secureConnect')
      const { raw } = seen.getPeerCertificate()
      seen.destroy()
      assert.deepEqual(raw, new X509Certificate(certificate.cert).raw)
    } finally {
      await remove()
    }
  })

  it('lives on when a stranger sends what is no frame', async () => {
    const host = await startPeer({ listen: [PLAIN], reach })
    const { socket, closed } = openStranger(portAt(host))
    await once(socket, 'data')
    socket.write(Buffer.alloc(64, 0xff))
    await closed
    await join(await startPeer({ reach }), host)
  })

  it('hangs up at once where it resets a connection, whether or not the other end agrees', async () => {
    const silent = Object.assign(() => {}, { error: () => {}, trace: () => {}, newScope: () => silent })
    const components = { logger: { forComponent: () => silent }, events: new EventTarget() }
    const transport = webSocketTransport(undefined)(components as never)
    const upgrader = {
      upgradeInbound: async (connection: MultiaddrConnection) => connection.abort(new Error('no')),
    }
    const listener = transport.createListener({ upgrader } as never)
    await listener.listen(multiaddr(PLAIN))
    const { socket, closed } = openStranger(portOf(listener.getAddrs()[0]) ?? 0)
    socket.resume()
    await closed
    await listener.close()
  })
})

/** The socket of somebody who asks for WebSockets. */
function openStranger(port: number): { readonly socket: Socket; readonly closed: Promise<void> } {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  return { socket, closed: new Promise((resolve) => socket.once('close', () => resolve())) }
}

describe('A peer that calls by WebSockets', () => {
  const servers: { close(): unknown }[] = []
  afterEach(async () => {
    await closePeers()
    for (const server of servers.splice(0)) server.close()
  })

  /** Answers as a server of WebSockets, then says what is no frame. */
  async function nonsenseServer(): Promise<number> {
    const sockets: Socket[] = []
    const server = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.once('data', (head) => {
        const key = /sec-websocket-key: (\S+)/i.exec(head.toString())?.[1]
        const accept = createHash('sha1')
          .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
          .digest('base64')
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        )
        socket.write(Buffer.alloc(64, 0xff))
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    servers.push({ close: () => [...sockets.map((socket) => socket.destroy()), server.close()] })
    return (server.address() as AddressInfo).port
  }

  it('says so when what answers breaks the protocol, and lives on', async () => {
    const port = await nonsenseServer()
    const peer = await startPeer({ reach })
    const stranger = '12D3KooWATcTB9VkZi8x498PiRVc5QruTwWCYxSwgywqBgNaguj7'
    await assert.rejects(
      peer.mesh.dial(`/ip4/127.0.0.1/tcp/${port}/ws/p2p/${stranger}`),
      /cannot reach \/ip4\/127\.0\.0\.1/,
    )
    await join(peer, await startPeer({ listen: [PLAIN], reach }))
  })
})

describe('A certificate', () => {
  it('is asked for by addresses of secure WebSockets alone', () => {
    for (const address of [SECURE, '/dns4/x.org/tcp/443/wss', '/dns4/x.org/tcp/443/tls/sni/y.org/ws/p2p/Q'])
      assert(isSecure(address), address)
    for (const address of [PLAIN, '/ip4/1.2.3.4/tcp/443', '/dns4/wss.org/tcp/1'])
      assert(!isSecure(address), address)
  })

  it('that is made for the moment is valid since the day before, for ten years', async () => {
    const { cert } = await makeCertificate(NOW_MS)
    const { validFrom, validTo } = new X509Certificate(cert)
    assert.equal(Date.parse(validFrom), NOW_MS - 24 * 3600 * 1000)
    assert.equal(Date.parse(validTo), NOW_MS + 3650 * 24 * 3600 * 1000)
  })

  it('from files is refused with a reason when it cannot be used', async () => {
    const { files, write, remove } = await filesWith(await makeCertificate(NOW_MS))
    const refused = (nowMs = NOW_MS) =>
      readCertificate(files, nowMs).then(
        () => 'taken',
        (error: Error) => error.message,
      )
    try {
      assert.equal(await refused(), 'taken')
      assert.match(await refused(NOW_MS + 11 * 365 * 24 * 3600 * 1000), /has expired on/)
      const { key } = await makeCertificate(NOW_MS)
      await writeFile(files.key, key)
      assert.match(await refused(), /privkey\.pem is not the key of the certificate in .*fullchain\.pem/)
      await write({ cert: 'none', key })
      assert.match(await refused(), /fullchain\.pem holds no certificate/)
    } finally {
      await remove()
    }
    assert.match(await refused(), /cannot be read: ENOENT/)
  })

  it('is taken anew when its files have changed, and not while they are being written', async () => {
    const [first, second] = [await makeCertificate(NOW_MS), await makeCertificate(NOW_MS)]
    const { files, write, remove } = await filesWith(first)
    const renewed: Certificate[] = []
    const log: string[] = []
    const watch = new CertificateWatch(
      files,
      (certificate) => renewed.push(certificate),
      (message) => log.push(message),
    )
    try {
      await watch.look()
      await watch.look()
      assert.deepEqual([renewed, log], [[], []])
      await writeFile(files.cert, second.cert)
      await watch.look()
      assert.deepEqual(renewed, [])
      assert.match(log.join(), /is not the key of the certificate/)
      await write(second)
      await watch.look()
      assert.deepEqual(renewed, [second])
    } finally {
      watch.close()
      await remove()
    }
  })
})
