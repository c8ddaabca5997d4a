// One mesh in a process of its own, for the test bed: told what to do by lines on standard input, telling by lines what
// it hears. Started as `node mesh-process.js OPTIONS-IN-JSON`.
import { createInterface } from 'node:readline'
import { type PeerId, peerId, runId } from '../../../src/core/ids.js'
import { generateIdentity } from '../../../src/network/identity.js'
import { createMesh } from '../../../src/network/mesh.js'
import type { ReachOptions } from '../../../src/network/reach/reach.js'
import { contentName } from '../../../src/platform/content-name.js'
import type { BulkName, Mesh } from '../../../src/ports/mesh.js'
import { bulkBytes } from './bulk-bytes.js'
import { passwordDoor } from './password-door.js'

export interface MeshProcessOptions {
  readonly run: string
  readonly listen: readonly string[]
  readonly mdns: boolean
  readonly bootstrap: readonly string[]
  readonly reach: ReachOptions | null
  /** Lets in only who has the same password; whoever comes, unless given. */
  readonly password?: string
  /** Looks for members of the run in the hash table before it enters it. */
  readonly seeks: boolean
  /** What it tells who asks which run it is of; such are refused unless given. */
  readonly genesis: string | null
  /** Folder for large content on its way; it is lost with the process unless given. */
  readonly partial?: string
}

/** What it is asked on standard input, one JSON text a line. */
export type Order =
  | { readonly do: 'call'; readonly peer: string; readonly addresses: readonly string[] }
  | { readonly do: 'paths' }
  /** Sends so many control messages. */
  | { readonly do: 'send'; readonly peer: string; readonly count: number }
  /** Fetches the bulk that every such process holds, or another content, so often. */
  | {
      readonly do: 'fetch'
      readonly from: readonly string[]
      readonly name?: BulkName
      readonly times?: number
    }

const options = JSON.parse(process.argv[2]) as MeshProcessOptions
const tell = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`)
const run = runId(options.run)

// Peers may be there before it has started.
let start: (mesh: Mesh) => void = () => {}
const started = new Promise<Mesh>((resolve) => {
  start = resolve
})
async function greet(peer: PeerId): Promise<void> {
  try {
    const answer = await (await started).hello(peer, { run, config: null, name: 'bed' })
    tell({ what: 'answer', peer, ...answer })
  } catch (error) {
    tell({ what: 'log', message: `hello: ${error}` })
  }
}

const door = options.password === undefined ? null : passwordDoor(options.password)
const mesh = await createMesh({
  door,
  privateKey: await generateIdentity(),
  listen: options.listen,
  mdns: options.mdns,
  bootstrap: options.bootstrap,
  reach: options.reach,
  links: [],
  cluster: 'here',
  partial: options.partial ?? null,
  log: (message) => tell({ what: 'log', message }),
  attempted: (attempt) => tell({ what: 'attempt', ...attempt }),
  handlers: {
    message: (from, message) => tell({ what: 'message', from, message }),
    fits: () => true,
    contribution: () => {},
    incomplete: () => {},
    transferring: () => {},
    connected: (peer) => {
      tell({ what: 'connected', peer })
      void greet(peer)
    },
    disconnected: (peer) => tell({ what: 'disconnected', peer }),
    refused: (from, thing, reason) => tell({ what: 'refused', from, thing, reason }),
    hello: (_, hello) =>
      hello.run === run || (hello.run === null && options.genesis !== null)
        ? { accepted: true, genesis: options.genesis ?? '{}', leader: null, leaderAddresses: [] }
        : { accepted: false, reason: 'another run', later: false },
  },
})
start(mesh)
if (options.seeks) mesh.seek(run)
else mesh.enter(run, 'here')
if (!options.seeks) mesh.subscribe({ kind: 'ledger' })
mesh.serve(() => bulkBytes())
tell({ what: 'ready', self: mesh.self, addresses: mesh.addresses(), relays: mesh.relays() })

createInterface({ input: process.stdin }).on('line', (line) => void obey(JSON.parse(line) as Order))
process.stdin.on('end', () => process.exit())

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case 'call':
      return mesh.call(peerId(order.peer), order.addresses)
    case 'paths':
      return void tell({ what: 'paths', paths: mesh.paths(), addresses: mesh.addresses() })
    case 'send':
      for (let version = 0; version < order.count; version++) {
        const sent = mesh.send(peerId(order.peer), { type: 'want-digest', epoch: 0, term: 1, version })
        if (!sent) tell({ what: 'log', message: 'not sent' })
      }
      return
    case 'fetch':
      try {
        for (let time = 0; time < (order.times ?? 1); time++) await fetch(order)
      } catch (error) {
        tell({ what: 'failed', reason: `${error}` })
      }
  }
}

async function fetch({ from, name = { kind: 'theta', version: 0 } }: Order & { do: 'fetch' }): Promise<void> {
  const beganMs = performance.now()
  const before = mesh.traffic().received.bulk
  const bytes = await mesh.fetch(name, from.map(peerId), null, {
    progress: (progress) => tell({ what: 'progress', ...progress }),
  })
  tell({
    what: 'fetched',
    content: contentName(bytes),
    bytes: bytes.byteLength,
    received: mesh.traffic().received.bulk - before,
    ms: performance.now() - beganMs,
  })
}
