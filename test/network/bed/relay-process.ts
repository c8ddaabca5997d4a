// A relay alone in a process of its own, for the test bed. Started as `node relay-process.js BYTES-PER-SECOND`.
import { generateIdentity } from '../../../src/network/identity.js'
import { createRelayNode } from '../../../src/network/reach/relay-node.js'

const tell = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`)
const relay = await createRelayNode({
  privateKey: await generateIdentity(),
  listen: ['/ip4/0.0.0.0/tcp/4001'],
  announce: null,
  relays: [],
  bytesPerSecond: Number(process.argv[2]),
  upnp: false,
  log: (message) => tell({ what: 'log', message }),
})
tell({ what: 'ready', self: relay.self, addresses: relay.addresses() })
process.stdin.resume().on('end', () => process.exit())
