// Proxies between peers, with real sockets on this machine.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { FaultyNetwork } from '../../src/faults/proxy.js'

/** A peer that listens; `heard` is what callers said to it. */
class Listener {
  heard = ''
  readonly callers: Socket[] = []
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (caller) => {
      this.callers.push(caller)
      caller.on('error', () => {})
      caller.on('data', (bytes) => {
        this.heard += bytes
        server.emit('heard')
      })
    })
  }

  static async start(): Promise<Listener> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Listener(server)
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  async hears(text: string): Promise<void> {
    while (!this.heard.includes(text)) await once(this.#server, 'heard')
  }

  async calledTimes(count: number): Promise<void> {
    while (this.callers.length < count) await once(this.#server, 'connection')
  }

  close(): void {
    for (const caller of this.callers) caller.destroy()
    this.#server.close()
  }
}

/** A call of one peer to another through the proxies. */
class Call {
  heard = ''
  readonly socket: Socket
  readonly closed: Promise<unknown>

  constructor(network: FaultyNetwork, from: string, place: number) {
    const port = Number(network.addressesFor(from)[place].split('/').at(-1))
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('error', () => {})
    this.closed = once(this.socket, 'close').catch(() => {})
    this.socket.on('data', (bytes) => {
      this.heard += bytes
    })
  }

  async hears(text: string): Promise<void> {
    while (!this.heard.includes(text)) await once(this.socket, 'data')
  }
}

describe('The proxies between peers', () => {
  let b: Listener
  let c: Listener
  let network: FaultyNetwork
  const calls: Call[] = []
  const call = (from: string, place = 0): Call => {
    const made = new Call(network, from, place)
    calls.push(made)
    return made
  }

  beforeEach(async () => {
    b = await Listener.start()
    c = await Listener.start()
    // Nobody calls a: it only needs a name.
    network = await FaultyNetwork.open(
      new Map([
        ['a', 1],
        ['b', b.port],
        ['c', c.port],
      ]),
    )
  })
  afterEach(async () => {
    for (const { socket } of calls.splice(0)) socket.destroy()
    b.close()
    c.close()
    await network.close()
  })

  it('lead each peer to every other one, both ways', async () => {
    assert.equal(network.addressesFor('a').length, 2)
    const [toB, toC] = [call('a', 0), call('a', 1)]
    toB.socket.write('for b')
    toC.socket.write('for c')
    await Promise.all([b.hears('for b'), c.hears('for c')])
    b.callers[0].write('from b')
    await toB.hears('from b')
  })

  it('break connections that are there and refuse new ones where a way is broken', async () => {
    const before = call('a')
    before.socket.write('hello')
    await b.hears('hello')
    network.change('b', 'a', { flow: 'broken' })
    await before.closed
    const refused = call('a')
    await refused.closed
    assert.equal(b.callers.length, 1)
    // The other peer is not concerned.
    call('a', 1).socket.write('still there')
    await c.hears('still there')
  })

  it('keep what was said where a way is silent, and pass it on once it is open again', async () => {
    const quiet = call('a')
    quiet.socket.write('one ')
    await b.hears('one ')
    network.change('a', 'b', { flow: 'silent' })
    quiet.socket.write('two')
    b.callers[0].write('the other way is open')
    await quiet.hears('the other way is open')
    assert.equal(b.heard, 'one ')
    network.change('a', 'b', { flow: 'open' })
    await b.hears('two')
  })

  it('let a new call wait where a way is silent', async () => {
    network.change('b', 'a', { flow: 'silent' })
    const waiting = call('a')
    await once(waiting.socket, 'connect')
    waiting.socket.write('patience')
    call('c', 1).socket.write('round trip')
    await b.hears('round trip')
    assert.equal(b.callers.length, 1)
    network.heal()
    await b.hears('patience')
  })

  it('delay what they carry, in order', async () => {
    network.change('a', 'b', { delayMs: 80 })
    const slow = call('a')
    const start = performance.now()
    for (const word of ['one ', 'two ', 'three']) slow.socket.write(word)
    await b.hears('three')
    assert.equal(b.heard, 'one two three')
    assert.ok(performance.now() - start >= 79)
  })

  it('carry no more than the rate, over all connections of a way together', async () => {
    network.change('a', 'b', { bytesPerSecond: 400_000 })
    const start = performance.now()
    for (const end of ['x', 'y']) {
      const bulk = call('a')
      bulk.socket.write(Buffer.alloc(20_000))
      bulk.socket.write(end)
    }
    await Promise.all([b.hears('x'), b.hears('y')])
    assert.ok(performance.now() - start >= 95, 'two times 20 kB at 400 kB/s take 100 ms')
  })

  it('pass on the end of a connection, and that a peer is not there', async () => {
    const ending = call('a')
    ending.socket.end('bye')
    await b.hears('bye')
    await once(b.callers[0], 'close')
    await ending.closed
    const nobody = call('b', 0)
    await nobody.closed
    assert.equal(nobody.heard, '')
  })
})
