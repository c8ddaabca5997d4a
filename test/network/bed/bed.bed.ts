// The test bed itself: who reaches whom, and what its routers do to ports.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Host } from './bed.js'
import { onBed } from './on-bed.js'

/** Answers each datagram with the address and port that it came from. */
const mirror = `
  const socket = require('dgram').createSocket('udp4')
  socket.on('message', (_, { address, port }) => socket.send(address + ':' + port, port, address))
  socket.bind(7000, '0.0.0.0', () => console.log('ready'))`
/** Says as what a datagram from port 5000 arrives at each of the addresses, or "silence". */
const probe = (addresses: readonly string[]) => `
  const socket = require('dgram').createSocket('udp4')
  socket.on('message', (seen) => console.log(String(seen)))
  socket.bind(5000, '0.0.0.0', () => {
    for (const address of ${JSON.stringify(addresses)}) socket.send('?', 7000, address)
    setTimeout(() => { console.log('silence'); process.exit() }, 700)
  })`

describe('The test bed', () => {
  const bed = onBed()

  for (const kind of ['preserving', 'symmetric'] as const) {
    it(`has a ${kind} router that hides what is behind it`, async () => {
      bed().network('wan', '45.0.0')
      bed().network('home', '192.168.5')
      const servers = [bed().host('one', 'wan', 10), bed().host('two', 'wan', 11)]
      bed().nat('router', kind, 'home', 'wan', 2)
      const inner = bed().host('inner', 'home', 7)
      for (const server of servers) await ready(server)
      const seen = await said(inner, probe(servers.map(({ address }) => address)))
      const ports = seen.filter((line) => line.startsWith('45.0.0.2:')).map((line) => line.split(':')[1])
      assert.equal(ports.length, 2, seen.join())
      if (kind === 'preserving') assert.deepEqual(ports, ['5000', '5000'])
      else assert.notEqual(ports[0], ports[1])
      await ready(inner)
      assert.deepEqual(await said(servers[0], probe(['45.0.0.2'])), ['silence'])
    })
  }

  it('has a router between networks that hides nobody, and machines on two that pass nothing on', async () => {
    for (const [network, prefix] of [
      ['north', '10.0.1'],
      ['south', '10.0.2'],
      ['far', '10.0.3'],
    ])
      bed().network(network, prefix)
    bed().router('router', ['north', 'south'])
    bed().between('door', 'south', 'far', 9)
    const [a, b, c] = [bed().host('a', 'north', 2), bed().host('b', 'south', 3), bed().host('c', 'far', 4)]
    for (const host of [b, c]) await ready(host)
    assert.equal((await said(a, probe([b.address])))[0], '10.0.1.2:5000')
    assert.deepEqual(await said(a, probe([c.address])), ['silence'])
  })

  it('counts what a throttled host has sent', async () => {
    bed().network('lan', '192.168.5')
    const [a, b] = [bed().host('a', 'lan', 2), bed().host('b', 'lan', 3)]
    bed().rate(b, 5)
    await ready(a)
    const before = bed().sent(b)
    await said(b, probe(Array<string>(100).fill(a.address)))
    // An Ethernet frame with a datagram of one byte has 43 bytes.
    assert(bed().sent(b) - before >= 100 * 43)
  })

  it('has cables that are cut and healed', async () => {
    bed().network('lan', '192.168.5')
    const [a, b] = [bed().host('a', 'lan', 2), bed().host('b', 'lan', 3)]
    await ready(a)
    bed().cut(b)
    assert.deepEqual(await said(b, probe([a.address])), ['silence'])
    bed().heal(b)
    assert.equal((await said(b, probe([a.address])))[0], '192.168.5.3:5000')
  })

  async function ready(host: Host): Promise<void> {
    await once(node(host, mirror).stdout as NodeJS.ReadableStream, 'data')
  }

  async function said(host: Host, script: string): Promise<string[]> {
    const child = node(host, script)
    let text = ''
    child.stdout?.on('data', (data) => {
      text += data
    })
    await once(child, 'close')
    return text.trim().split('\n')
  }

  const node = (host: Host, script: string) => bed().start(host, process.execPath, ['-e', script])
})
