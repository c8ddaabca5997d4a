// The plain view: one readable line for each noteworthy record, for logs and pipes.
import type { RunRecord } from '../faults/records.js'
import type { MemoryReport } from '../ports/trainer.js'
import { faultLine } from './fault-line.js'
import { bytes, clean, cleanLines, count, duration, loss, perplexity } from './format.js'
import { progressText } from './frame.js'
import { joinHint } from './join-hint.js'
import { progressOf, type SwarmState } from './swarm-view.js'
import type { Screen, View } from './view.js'

// While nothing else happens a line every few seconds shows that training goes on.
const QUIET_MS = 3000

export class PlainView implements View {
  #startedMs: number | null = null
  #nowMs = 0
  #shownMs: number | null = null
  readonly #shownOnce = new Set<string>()
  /** By swarm. */
  readonly #shownVoters = new Map<string, string>()
  /** That the line is about: a cluster's own, or the run's. */
  #swarm = ''

  constructor(readonly screen: Screen) {}

  record(state: SwarmState, record: RunRecord): void {
    this.#startedMs ??= state.startedMs
    this.#nowMs = state.nowMs ?? 0
    const line = this.#line(state, record)
    const memory = record.type === 'engine' && record.memory ? memoryLine(record.memory) : null
    for (const text of [line, memory]) {
      if (text !== null) this.#print(`${clean(record.peer).padEnd(8)}  ${placeOf(record)}${clean(text)}`)
    }
    const hint = record.type === 'listening' ? this.#once('ticket', () => joinHint(record)) : null
    if (hint !== null) this.#print(hint)
  }

  note(text: string): void {
    for (const line of cleanLines(text).split('\n')) this.#print(line)
  }

  close(): void {}

  #print(line: string): void {
    this.#shownMs = this.#nowMs
    const gone = this.#startedMs === null ? 0 : this.#nowMs - this.#startedMs
    this.screen.write(`${duration(gone).padStart(6)}  ${line}\n`)
  }

  /** What to say of a record; null where it says nothing new. */
  #line(state: SwarmState, record: RunRecord): string | null {
    this.#swarm = record.swarm ?? ''
    switch (record.type) {
      case 'run-started':
        return this.#once('run', () => startLine(record))
      case 'listening':
        return record.addresses.length === 0
          ? 'tells nobody where it listens'
          : `listens on ${record.addresses.join(' ')}`
      case 'engine':
        return `trains on ${record.engine} with ${record.threads} ${record.threads === 1 ? 'thread' : 'threads'}, ${record.stepsPerSecond.toFixed(2)} steps/s (${record.reason})`
      case 'joined':
        return this.#once(
          `joined ${record.id}`,
          () => `joined cluster ${record.cluster} as ${record.replica ? 'replica' : 'worker'}`,
        )
      case 'left':
        this.#shownOnce.delete(this.#keyOf(`joined ${record.id}`))
        return this.#once(`left ${record.id} ${state.version}`, () => `left (${record.reason})`)
      case 'leader':
        return this.#once(
          `leader ${record.term}`,
          () => `${record.leader} leads term ${record.term} (${record.reason})`,
        )
      case 'deposed':
        return `leads no more: term ${record.term} is over for it (${record.reason})`
      case 'voters':
        return this.#votersLine(record)
      case 'fault':
        return faultLine(record)
      case 'recovered':
        return `recovered by force (epoch ${record.epoch}): ${record.reason}`
      case 'step-loss':
        return this.#stepLine(record)
      case 'applied':
        return this.#once(`applied ${record.version}`, () => appliedLine(state, record))
      case 'reported':
        return `reports ${record.contributions} contributions to the swarm above (${bytes(record.bytes)})`
      case 'merged':
        return record.above === null
          ? `takes up round ${record.round} of the swarm above`
          : `takes in version ${record.above} of the swarm above, as version ${record.version}`
      case 'expired':
        return this.#once(
          `expired ${record.assignment}`,
          () => `${record.assignment} of ${record.worker} expired (${record.reason})`,
        )
      case 'validated':
        return this.#once(
          `validated ${record.version}`,
          () =>
            `validation at version ${record.version}: ${loss(record.loss)} nats per token, perplexity ${perplexity(record.perplexity)}`,
        )
      case 'checkpoint':
        return `checkpoint of version ${record.version} at ${record.path}`
      case 'refused':
        return `refused ${record.what}${record.from === null ? '' : ` from ${record.from}`}: ${record.reason}`
      case 'corpus':
        return `has the corpus from members (${bytes(record.bytes)})`
      case 'warning':
        return `warning: ${record.message}`
      case 'codec-chosen':
        return `codes its contributions by ${record.reason}`
      case 'transfer':
        return record.bytes === record.total ? `fetched ${record.what} (${bytes(record.total)})` : null
      case 'peer-finished':
        return `ends after ${record.steps} steps, ${Math.round(record.utilisation * 100)} % of its time training`
      case 'run-finished':
        return this.#once('finished', () => `run finished: ${record.reason}`)
      // The summary shows the sample; the rest is for the live view and for scripts.
      case 'sample':
      case 'assigned':
      case 'called':
      case 'catching-up':
      case 'contributed':
      case 'digest':
      case 'status':
        return null
      default:
        return ((_: never) => null)(record)
    }
  }

  /** Facts that several peers report are told once. */
  #once(fact: string, line: () => string | null): string | null {
    const key = this.#keyOf(fact)
    if (this.#shownOnce.has(key)) return null
    const text = line()
    if (text !== null) this.#shownOnce.add(key)
    return text
  }

  #keyOf(fact: string): string {
    return this.#swarm === '' ? fact : `${this.#swarm}: ${fact}`
  }

  /** A leader that takes over tells again what its predecessor told. */
  #votersLine({ voters, next, reason }: Extract<RunRecord, { type: 'voters' }>): string | null {
    const toBe = next === null ? '' : `, to be ${next.join(', ')}`
    const sets = `voters: ${voters.join(', ')}${toBe}`
    if (this.#shownVoters.get(this.#swarm) === sets) return null
    this.#shownVoters.set(this.#swarm, sets)
    return `${sets} (${reason})`
  }

  #stepLine(record: Extract<RunRecord, { type: 'step-loss' }>): string | null {
    const first = !this.#shownOnce.has('step-loss')
    this.#shownOnce.add('step-loss')
    if (!first && this.#shownMs !== null && this.#nowMs - this.#shownMs < QUIET_MS) return null
    return `step ${record.step} of ${record.steps} on version ${record.version}: loss ${loss(record.loss)}, ${Math.round(record.ms)} ms`
  }
}

function startLine(record: Extract<RunRecord, { type: 'run-started' }>): string {
  const verb = record.resumed ? 'resumes' : 'starts'
  return `${verb} run ${record.name} (${record.run.slice(0, 8)}), ${count(record.parameters)} parameters`
}

function memoryLine(memory: MemoryReport): string {
  const { total, parameters, optimizer, gradient, activations, runtime, available, rows, microBatch } = memory
  const parts = Object.entries({ parameters, optimizer, gradient, activations, runtime })
  const listed = parts.map(([name, size]) => `${name} ${bytes(Math.round(size))}`).join(', ')
  const cut = microBatch < rows ? `, ${microBatch} of ${rows} sequences at once` : ''
  const of = available === null ? 'of memory' : `of the ${bytes(available)} of memory available`
  return `needs ${bytes(Math.round(total))} ${of}${cut}: ${listed}`
}

function appliedLine(state: SwarmState, record: Extract<RunRecord, { type: 'applied' }>): string {
  // The stop rule counts versions of the run: a cluster's own swarm goes on until that is at its end.
  const progress = record.swarm === undefined ? progressOf(state) : null
  const isReport = record.swarm === undefined && state.config?.hierarchy !== undefined
  const place =
    progress?.unit === 'versions'
      ? progressText({ ...progress, done: record.version })
      : `version ${record.version}`
  const part = record.fragment === undefined ? '' : `, fragment ${record.fragment}`
  return `${place}: ${record.steps} ${isReport ? 'contributions' : 'steps'} of ${record.worker}${part}, loss ${loss(record.loss)}, staleness ${record.staleness}, ${record.speed.toFixed(2)} steps/s`
}

/** Which swarm of a hierarchical run a line is about. */
const placeOf = ({ swarm }: RunRecord): string => (swarm === undefined ? '' : `[${clean(swarm)}] `)
