// Whole peers on the bed: `skein` commands in processes of their own, and all that they report, in one row.
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { RunId } from '../../../src/core/ids.js'
import type { EventRecord } from '../../../src/core/reports.js'
import type { RecordOf, RunRecord } from '../../../src/faults/records.js'
import { judge } from '../../../src/faults/verdict.js'
import { realMain } from '../../cli/processes.js'
import type { Bed, Host } from './bed.js'

type Kind = RunRecord['type']

/** How a command ended. */
export interface End {
  readonly code: number | null
  readonly stderr: string
}

/** A `skein` command under way. */
export interface Command {
  readonly name: string
  readonly process: ChildProcess
  readonly ended: Promise<End>
}

export class Flock {
  /** Of all peers, in the order in which they came; what is done to them is among them. */
  readonly records: RunRecord[] = []
  readonly #folder = mkdtempSync(join(tmpdir(), 'skein-bed-'))
  readonly #watchers = new Set<() => void>()
  readonly #peers = new Map<string, Command>()
  /** Of commands that ended by themselves otherwise than well. */
  readonly #lastWords: string[] = []

  constructor(private readonly bed: Bed) {}

  /** Where a peer keeps what it has; each is a machine of its own. */
  folder(name: string): string {
    return join(this.#folder, name)
  }

  /** Writes the file of a swarm in one cluster, of a tiny model; its peers are reached from other hosts. */
  swarm(name: string, peers: readonly string[], run: object): string {
    const tiny = { model: { preset: 'nano' }, inner: { batch: 2 }, localSteps: 5 }
    const listed = peers.map((peer) => ({ name: peer, cluster: 'one', listen: ['/ip4/0.0.0.0/tcp/4001'] }))
    const swarm = { name, run: { ...tiny, ...run }, clusters: [{ name: 'one' }], peers: listed }
    const path = join(this.#folder, `${name}.yaml`)
    // All of JSON is YAML.
    writeFileSync(path, JSON.stringify(swarm))
    return path
  }

  /** Starts a command that takes part in a run, and hears what it reports. */
  start(host: Host, name: string, args: readonly string[]): Command {
    const common = [
      '--name',
      name,
      '--out',
      this.folder(name),
      '--json',
      '--threads',
      '1',
      '--engine',
      'wasm',
    ]
    const command = this.run(host, name, [...args, ...common], (text) => this.#hear(text))
    this.#peers.set(name, command)
    return command
  }

  /** Starts any command. */
  run(host: Host, name: string, args: readonly string[], line: (text: string) => void = () => {}): Command {
    const child = this.bed.start(host, process.execPath, [realMain, ...args])
    let stderr = ''
    child.stderr?.on('data', (text) => {
      stderr += text
    })
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', line)
    const ended = new Promise<End>((resolve) =>
      child.once('close', (code) => {
        if (code !== null && code > 0) this.#lastWords.push(`      ${name} ended with ${code}: ${stderr}`)
        resolve({ code, stderr })
      }),
    )
    return { name, process: child, ended }
  }

  /** Ends a peer by SIGKILL, and resolves once it is gone. */
  async kill(name: string): Promise<void> {
    const command = this.#peers.get(name) ?? assert.fail(`${name} does not run`)
    const time = new Date().toISOString()
    command.process.kill('SIGKILL')
    this.#add({ time, peer: name, type: 'fault', what: 'kill', peers: [name], forSeconds: 0 })
    await command.ended
  }

  of<Type extends Kind>(type: Type): RecordOf<Type>[] {
    return this.records.filter((record): record is RecordOf<Type> => record.type === type)
  }

  /** The first record of a type that fits, from a place in `records` on, past or future. */
  next<Type extends Kind>(
    type: Type,
    fits: (record: RecordOf<Type>) => boolean = () => true,
    since = 0,
  ): Promise<RecordOf<Type>> {
    let seen = since
    return new Promise((resolve) => {
      const look = () => {
        for (; seen < this.records.length; seen++) {
          const record = this.records[seen]
          if (record.type !== type || !fits(record as RecordOf<Type>)) continue
          this.#watchers.delete(look)
          return resolve(record as RecordOf<Type>)
        }
      }
      this.#watchers.add(look)
      look()
    })
  }

  /** The run that a peer is in. */
  async runOf(name: string): Promise<RunId> {
    return (await this.next('run-started', ({ peer }) => peer === name)).run
  }

  /** The ticket that a peer prints. */
  async ticketOf(name: string): Promise<string> {
    const { ticket } = await this.next('listening', ({ peer }) => peer === name)
    return ticket ?? assert.fail(`${name} prints no ticket`)
  }

  /** Every promise that records speak of was kept. */
  assertKept(): void {
    const broken = judge(this.records).checked.flatMap(({ promise, broken }) =>
      broken.map((what) => `${promise}: ${what}`),
    )
    assert.deepEqual(broken, [])
  }

  /** What happened last, for who wants to know why a test failed. */
  story(): string {
    const telling = this.records.filter(({ type }) => !['status', 'step-loss'].includes(type))
    const lines = telling.slice(-150).map((record) => `      ${JSON.stringify(record).slice(0, 240)}`)
    return [...lines, ...this.#lastWords].join('\n')
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #hear(text: string): void {
    // A killed process may leave half a line.
    if (!text.endsWith('}')) return
    this.#add(JSON.parse(text) as EventRecord)
  }

  #add(record: RunRecord): void {
    this.records.push(record)
    for (const look of [...this.#watchers]) look()
  }
}
