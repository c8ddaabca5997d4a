// A whole run over a relay alone: the founder and those who join it sit behind routers that let nobody in.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { EventRecord } from '../../../src/core/reports.js'
import type { Host } from './bed.js'
import { onBed } from './on-bed.js'

const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url))

const swarm = `
name: routers
run:
  model: { preset: nano }
  inner: { batch: 2 }
  localSteps: 5
  startPeers: 2
  stop: { versions: 40 }
clusters: [{ name: one }]
peers: [{ name: anser, cluster: one, listen: [/ip4/0.0.0.0/tcp/4001] }]
`

describe('A run whose founder sits behind a symmetric router', () => {
  const bed = onBed()
  const folder = mkdtempSync(join(tmpdir(), 'skein-bed-'))
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('takes in a peer behind another, by the ticket alone, and trains with it to the end', async () => {
    bed().network('wan', '45.0.0')
    const relay = bed().host('relay', 'wan', 10)
    const [north, south] = [home(1), home(2)]
    const file = join(folder, 'routers.yaml')
    writeFileSync(file, swarm)
    const relaying = skein(relay, 'relay', '--out', join(folder, 'relay'))
    const address = await line(
      relaying,
      (text) => /\/ip4\/45\S+\/tcp\/4001\/p2p\/\S+/.exec(text)?.[0] ?? null,
    )
    const options = ['--json', '--threads', '1', '--engine', 'wasm']
    const out = (name: string) => ['--out', join(folder, name)]
    const founding = ['peer', file, '--name', 'anser', '--relay', address, ...out('north'), ...options]
    const founder = skein(north, ...founding)
    const events: EventRecord[] = []
    const finished = line(founder, (text) => {
      const record = JSON.parse(text) as EventRecord
      events.push(record)
      return record.type === 'run-finished' ? true : null
    })
    const ticket = await line(founder, (text) => {
      const record = JSON.parse(text) as EventRecord
      return record.type === 'listening' ? record.ticket : null
    })
    const joining = ['join', ticket, '--name', 'branta', '--role', 'worker', ...out('south'), ...options]
    skein(south, ...joining)
    await finished
    const applied = events.flatMap((record) => (record.type === 'applied' ? [record] : []))
    assert(applied.length >= 40)
    assert.equal(new Set(applied.map(({ worker }) => worker)).size, 2)
  })

  function home(number: number): Host {
    bed().network(`home${number}`, `192.168.${number}`)
    bed().nat(`nat${number}`, 'symmetric', `home${number}`, 'wan', number)
    return bed().host(`peer${number}`, `home${number}`, 7)
  }

  function skein(host: Host, ...args: string[]): ChildProcess {
    const child = bed().start(host, process.execPath, [main, ...args])
    child.stderr?.on('data', (text) => process.stderr.write(`      ${host.name}: ${text}`))
    return child
  }
})

/** The first line of which `read` makes something; rejects if the program ends before. */
function line<T>(child: ChildProcess, read: (text: string) => T | null): Promise<T> {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (text) => {
      const made = read(text)
      if (made !== null) resolve(made)
    })
    child.once('exit', (code) => reject(new Error(`the program ended with exit code ${code}`)))
  })
}
