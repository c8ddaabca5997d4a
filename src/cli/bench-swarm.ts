// A swarm of real processes in a folder of its own, for a bench to watch.
import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EventRecord } from '../core/reports.js'
import { UserError } from '../core/user-error.js'
import { readRecords } from '../faults/event-file.js'
import type { RunRecord } from '../faults/records.js'
import { runPaths } from '../store/run-paths.js'
import { startChild } from './child-process.js'
import { Supervisor, type SwarmEnd } from './supervisor.js'
import { callsFor } from './tickets-of-parent.js'

/** Peers of the benches: all of them hold the outer state, and vote. */
export const benchPeers = ['anser', 'branta', 'cygnus', 'fulmar', 'petrel'] as const

/**
 * A swarm file, without `name`, for five voters in two clusters.
 *
 * @param run what the bench wants of the run beside that
 * @param slowdown of every peer, so that the processes themselves have most of the processor
 */
export const fiveVoters = (run: object, slowdown: number) => ({
  run: {
    model: { preset: 'nano' },
    inner: { batch: 2 },
    startPeers: benchPeers.length,
    replicas: benchPeers.length,
    stop: { versions: 1_000_000 },
    ...run,
  },
  clusters: [{ name: 'north' }, { name: 'south' }],
  peers: benchPeers.map((name, at) => ({ name, cluster: at < 3 ? 'north' : 'south', slowdown })),
})

export interface BenchSwarmOptions {
  /** Script that forked peers run. */
  readonly script: string
  readonly file: ReturnType<typeof fiveVoters>
  readonly record: (record: EventRecord) => void
  readonly note: (text: string) => void
}

export class BenchSwarm {
  readonly supervisor: Supervisor
  readonly #folder = mkdtempSync(join(tmpdir(), 'skein-bench-'))

  constructor({ script, file, record, note }: BenchSwarmOptions) {
    const path = join(this.#folder, 'bench.yaml')
    // JSON is YAML.
    writeFileSync(path, JSON.stringify({ name: 'bench', ...file }))
    const own = ['--report-to-parent', '--engine', 'onnx-cpu', '--threads', '1', '--out', this.#run]
    this.supervisor = new Supervisor({
      peers: benchPeers,
      founder: benchPeers[0],
      startPeers: benchPeers.length,
      start: (name, bootstrap, again, listener) => {
        const { args: calls, env } = callsFor(bootstrap)
        const resume = again ? ['--resume'] : []
        const args = ['peer', path, '--name', name, ...own, ...calls, ...resume]
        return startChild(script, args, listener, null, env)
      },
      record,
      note,
    })
  }

  /** Runs until `enough`, then stops every peer. @throws UserError if the swarm cannot go on */
  async run(enough: Promise<void>): Promise<readonly RunRecord[]> {
    const stop = () => this.supervisor.interrupt(1)
    void enough.then(stop, stop)
    const end = await this.supervisor.run()
    await enough.catch(() => {})
    checkEnd(end)
    return readRecords(runPaths(this.#run).events)
  }

  /** Removes all that the peers wrote. */
  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  get #run(): string {
    return join(this.#folder, 'run')
  }
}

function checkEnd(end: SwarmEnd): void {
  if (end.kind === 'failed') throw end.error
  if (end.kind === 'stopped') return
  throw new UserError(
    'training',
    'the swarm of the bench ended by itself',
    'report it with the command you gave',
  )
}
