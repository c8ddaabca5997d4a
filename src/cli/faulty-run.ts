// A run whose peers are killed, stopped and cut off on purpose while it goes on, and what becomes of its promises.
import type { EventRecord } from '../core/reports.js'
import { addRecord, readRecords } from '../faults/event-file.js'
import { freePorts } from '../faults/ports.js'
import { FaultyNetwork } from '../faults/proxy.js'
import type { FaultRecord } from '../faults/records.js'
import { FaultRunner } from '../faults/runner.js'
import type { Fault } from '../faults/schedule.js'
import { isKept, judge, type Verdict } from '../faults/verdict.js'
import { clean } from '../observe/format.js'
import { runPaths } from '../store/run-paths.js'
import type { SwarmFile } from '../swarmfile/schema.js'
import type { Supervisor } from './supervisor.js'

export interface FaultyRunOptions {
  readonly swarm: SwarmFile
  readonly folder: string
  readonly schedule: readonly Fault[]
  readonly show: (record: FaultRecord) => void
}

export class FaultyRun {
  #runner: FaultRunner | null = null
  #crashes: () => readonly string[] = () => []
  #writing: Promise<void> = Promise.resolve()

  private constructor(
    private readonly options: FaultyRunOptions,
    private readonly ports: ReadonlyMap<string, number>,
    /** Null where no fault is one of the network. */
    private readonly network: FaultyNetwork | null,
  ) {}

  /** @param options of which `schedule` decides whether peers speak through proxies */
  static async prepare(options: FaultyRunOptions): Promise<FaultyRun> {
    const { swarm, schedule } = options
    const ofNetwork = schedule.some(({ kind }) => kind !== 'kill' && kind !== 'pause')
    const ports = ofNetwork ? await freePorts(swarm.peers.map(({ name }) => name)) : new Map<string, number>()
    return new FaultyRun(options, ports, ofNetwork ? await FaultyNetwork.open(ports) : null)
  }

  /** What a peer's command line needs beside its own: it is found by its proxies alone. */
  argumentsFor(peer: string): readonly string[] {
    const { swarm } = this.options
    const port = this.ports.get(peer)
    if (this.network === null || port === undefined) return []
    const at = swarm.peers.findIndex(({ name }) => name === peer)
    const listen = `peers.${at}.listen=[/ip4/127.0.0.1/tcp/${port}]`
    const calls = this.network.addressesFor(peer).flatMap((address) => ['--bootstrap', address])
    return ['--only-bootstrap', '--set', listen, ...calls]
  }

  /** Whether peers call each other as `argumentsFor` says, and in no other way. */
  get connects(): boolean {
    return this.network !== null
  }

  /** The processes that faults befall. */
  attend(supervisor: Supervisor): void {
    const { swarm, schedule } = this.options
    const clusterOf = new Map(swarm.peers.map(({ name, cluster }) => [name, cluster]))
    this.#crashes = () => supervisor.crashes
    this.#runner = new FaultRunner({
      schedule,
      network: this.network,
      subjects: {
        up: () => supervisor.up(),
        leader: () => supervisor.leader(),
        clusterOf: (peer) => clusterOf.get(peer) ?? '',
        kill: (peer) => supervisor.kill(peer),
        restart: (peer) => supervisor.restart(peer),
        pause: (peer) => supervisor.pause(peer),
        resume: (peer) => supervisor.resume(peer),
      },
      tell: (what, peers, forMs) => this.#tell(what, peers, forMs),
    })
    // A peer that stands still would outlive this process, and stand still for ever.
    process.once('exit', () => this.calm())
  }

  /** Hears what the peers report. Faults begin once the run can withstand any: with its voters, if there are to be some. */
  heard(record: EventRecord): void {
    const { run, peers } = this.options.swarm
    const voted = record.type === 'voters' && record.next === null && record.voters.length > 1
    const begun = record.type === 'applied' && Math.min(run.replicas, peers.length) < 3
    if (voted || begun) this.#runner?.start()
    // A finished run ends in peace: its peers go home one by one.
    if (record.type === 'run-finished') this.#runner?.stop()
  }

  /** No more faults. */
  calm(): void {
    this.#runner?.stop()
  }

  /** Once every peer has ended: what is there to say, and whether all promises were kept. */
  async end(): Promise<{ readonly lines: readonly string[]; readonly kept: boolean }> {
    this.#runner?.stop()
    await this.network?.close()
    await this.#writing
    const verdict = judge(await readRecords(runPaths(this.options.folder).events))
    const crashes = this.#crashes()
    return {
      lines: [...verdictLines(verdict, this.options.schedule.length), ...crashes.map(crashLine)],
      kept: isKept(verdict) && crashes.length === 0,
    }
  }

  #tell(what: FaultRecord['what'], peers: readonly string[], forMs: number): void {
    const time = new Date().toISOString()
    const record: FaultRecord = { time, peer: peers[0], type: 'fault', what, peers, forSeconds: forMs / 1000 }
    this.options.show(record)
    const { events } = runPaths(this.options.folder)
    this.#writing = this.#writing.then(() => addRecord(events, record))
  }
}

/** @param planned faults that were to be made */
function verdictLines(verdict: Verdict, planned: number): string[] {
  const { checked, faults, versions, leaders, contributions } = verdict
  const made = Object.values(faults).reduce((sum, count) => sum + count, 0)
  const kinds = Object.entries(faults).map(([kind, count]) => `${kind} ${count}`)
  const of = made < planned ? ` of ${planned}` : ''
  return [
    `faults made     ${made}${of}${kinds.length === 0 ? '' : `: ${kinds.join(', ')}`}`,
    `came of it      ${versions} versions from ${contributions} contributions under ${leaders} leaders`,
    ...checked.flatMap(({ promise, broken }) => [
      `${broken.length === 0 ? 'kept  ' : 'BROKEN'}          ${promise}`,
      ...broken.slice(0, MOST_VIOLATIONS).map((what) => `                - ${clean(what)}`),
      ...(broken.length > MOST_VIOLATIONS
        ? [`                - and ${broken.length - MOST_VIOLATIONS} more`]
        : []),
    ]),
  ]
}

const crashLine = (words: string): string =>
  `BROKEN          a peer ended that nobody had killed: ${clean(words)}`

/** Of one promise; the first of them tells most. */
const MOST_VIOLATIONS = 5
