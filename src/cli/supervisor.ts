// Keeps the local peers of a swarm running: starts the founder first, survives the death of others, and
// ends them all in time.
import type { EventRecord } from '../core/reports.js'
import { UserError } from '../core/user-error.js'
import type { PeerOutcome } from '../node/options.js'
import type { ChildMessage } from './child-channel.js'
import type { Child, ChildListener, Death } from './child-process.js'

export interface SupervisorOptions {
  readonly peers: readonly string[]
  /** The peer among them that founds the run; null if it runs on another machine. */
  readonly founder: string | null
  /** Workers the run waits for before it begins. */
  readonly startPeers: number
  /** Starts one peer; `bootstrap` are tickets or addresses to call on, `again` says that it ran before. */
  readonly start: (
    name: string,
    bootstrap: readonly string[],
    again: boolean,
    listener: ChildListener,
  ) => Child
  readonly record: (record: EventRecord) => void
  readonly note: (text: string) => void
  /** Time for a peer to save and end after it was asked to. */
  readonly stopLimitMs?: number
  /** Time for the others to end once the leader has finished the run. */
  readonly lingerMs?: number
}

export type SwarmEnd =
  | { readonly kind: 'finished' }
  /** Asked to stop, by Ctrl-C or by a signal to a peer that the others cannot do without. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly error: UserError }

// A stop is promised within 2 s; this leaves 0.2 s to end a peer that does not answer.
const STOP_LIMIT_MS = 1800
// A farewell and a last fetch of theta over a slow link take seconds; longer means that a peer hangs.
const LINGER_MS = 20_000

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #running = new Map<string, Child>()
  readonly #paused = new Set<string>()
  /** Killed on purpose, to be started again. */
  readonly #killed = new Set<string>()
  readonly #outcomes = new Map<string, PeerOutcome>()
  readonly #errors = new Map<string, UserError>()
  /** How to call on each peer, as it said last. */
  readonly #cards = new Map<string, readonly string[]>()
  readonly #crashes: string[] = []
  #resolve: (end: SwarmEnd) => void = () => {}
  #waiting: readonly string[]
  #begun = false
  #leader: { readonly name: string; readonly term: number } | null = null
  #voters: readonly string[] = []
  #end: SwarmEnd | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#waiting = options.peers.filter((name) => name !== options.founder)
  }

  /** Starts the swarm; resolves when the last peer has ended. */
  run(): Promise<SwarmEnd> {
    const { founder } = this.#options
    return new Promise((resolve) => {
      this.#resolve = resolve
      if (founder === null) this.#startWaiting([])
      else this.#start(founder, [], false)
    })
  }

  /** The first time asks every peer to save and end; the second ends them at once. */
  interrupt(times: number): void {
    if (times > 1) this.#kill()
    else this.#stopAll({ kind: 'stopped' })
  }

  /** Peers whose process runs, and is not paused. */
  up(): readonly string[] {
    return [...this.#running.keys()].filter((name) => !this.#paused.has(name) && !this.#killed.has(name))
  }

  /** How peers ended that nobody had asked to, in words. */
  get crashes(): readonly string[] {
    return this.#crashes
  }

  leader(): string | null {
    return this.#leader?.name ?? null
  }

  /** Ends a peer by SIGKILL; the others wait for it to be started again. */
  kill(name: string): void {
    const child = this.#running.get(name)
    if (child === undefined) return
    this.#killed.add(name)
    child.kill('SIGKILL')
  }

  /** Starts a peer again that was killed; not once the run ends. */
  restart(name: string): void {
    if (!this.#killed.delete(name) || this.#running.has(name)) return
    if (this.#end !== null || this.#isOver()) return this.#endIfAlone()
    const others = [...this.#cards].flatMap(([other, card]) => (other === name ? [] : card))
    this.#start(name, others, true)
  }

  /** Halts a peer where it is, by SIGSTOP. */
  pause(name: string): void {
    if (!this.#running.has(name)) return
    this.#paused.add(name)
    this.#running.get(name)?.kill('SIGSTOP')
  }

  /** Lets a paused peer go on. */
  resume(name: string): void {
    if (this.#paused.delete(name)) this.#running.get(name)?.kill('SIGCONT')
  }

  #start(name: string, bootstrap: readonly string[], again: boolean): void {
    const child = this.#options.start(name, bootstrap, again, {
      message: (message) => this.#hear(name, message),
      ended: (death) => this.#bury(name, death),
    })
    this.#running.set(name, child)
  }

  #startWaiting(bootstrap: readonly string[]): void {
    const names = this.#waiting
    this.#waiting = []
    for (const name of names) this.#start(name, bootstrap, false)
  }

  #hear(name: string, message: ChildMessage): void {
    switch (message.kind) {
      case 'record':
        this.#options.record(message.record)
        return this.#learn(name, message.record)
      case 'outcome':
        this.#outcomes.set(name, message.outcome)
        return
      case 'failed':
        this.#errors.set(
          name,
          new UserError(message.error.kind, `peer ${name}: ${message.error.message}`, message.error.remedy),
        )
        return
    }
  }

  #learn(name: string, record: EventRecord): void {
    switch (record.type) {
      case 'assigned':
        this.#begun = true
        return
      case 'leader':
        if (record.swarm !== undefined) return
        if (record.term >= (this.#leader?.term ?? 0))
          this.#leader = { name: record.leader, term: record.term }
        return
      case 'voters':
        // A cluster that loses its own voters waits for them; the run goes on with the others.
        if (record.swarm === undefined) this.#voters = record.voters
        return
      case 'listening':
        this.#cards.set(name, callingCard(record))
        if (name === this.#options.founder && this.#end === null) this.#startWaiting(callingCard(record))
    }
  }

  #bury(name: string, death: Death): void {
    this.#running.delete(name)
    this.#paused.delete(name)
    if (!this.#killed.has(name) && (this.#end === null || this.#end.kind === 'finished'))
      this.#judge(name, death)
    this.#endIfAlone()
  }

  /** Nobody runs, and nobody will. */
  #endIfAlone(): void {
    const more = this.#waiting.length + this.#killed.size > 0
    if (this.#running.size > 0 || (more && this.#end === null && !this.#isOver())) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#resolve(this.#verdict())
  }

  /** A peer has come to the end of the run: whoever started again now would be alone with it. */
  #isOver(): boolean {
    return [...this.#outcomes.values()].some(({ kind }) => kind === 'finished')
  }

  /** Asked to stop when only the sample was missing: the run is finished all the same. */
  #verdict(): SwarmEnd {
    const finished = [...this.#outcomes].some(([name, { kind }]) => kind === 'finished' && this.#isHead(name))
    if (this.#end === null || (this.#end.kind === 'stopped' && finished)) return { kind: 'finished' }
    return this.#end
  }

  /** Decides what the end of one peer means for the rest. */
  #judge(name: string, death: Death): void {
    const outcome = this.#outcomes.get(name)
    if (outcome?.kind === 'finished') {
      if (this.#isHead(name) || !this.#running.has(this.#head() ?? '')) this.#linger()
      return
    }
    if (outcome?.kind === 'stopped') {
      if (!this.#canDoWithout(name)) this.#stopAll({ kind: 'stopped' })
      else if (this.#end === null) this.#options.note(`peer ${name} was stopped; the others go on`)
      return
    }
    const error = this.#errors.get(name) ?? crash(name, death)
    if (this.#end === null) this.#crashes.push(error.message)
    if (this.#end !== null) this.#options.note(`${error.message}\n(the run was finished by then)`)
    else if (!this.#canDoWithout(name) || !this.#canGoOn()) this.#stopAll({ kind: 'failed', error })
    else this.#options.note(`${error.message}\nthe others go on`)
  }

  /** Who sums up the run: its leader, and before there is one the founder. */
  #head(): string | null {
    return this.#leader?.name ?? this.#options.founder
  }

  #isHead(name: string): boolean {
    return name === this.#head()
  }

  /** The founder alone votes until others have proved themselves; from then on a majority of the voters will do. */
  #canDoWithout(name: string): boolean {
    const { founder, peers } = this.#options
    if (this.#voters.length < 2) return name !== founder
    const left = this.#voters.filter((voter) => !peers.includes(voter) || this.#running.has(voter))
    return left.length > this.#voters.length / 2
  }

  /** Somebody is left, and the run has begun, still can begin, or never could with the local peers alone. */
  #canGoOn(): boolean {
    const { peers, founder, startPeers } = this.#options
    const left = this.#running.size
    if (left === 0) return false
    return this.#begun || founder === null || left >= startPeers || peers.length < startPeers
  }

  #linger(): void {
    if (this.#end !== null) return
    this.#end = { kind: 'finished' }
    this.#resumeAll()
    // It was over when it was resumed: who comes after the leader's end would wait for it in vain.
    if (!this.#begun) for (const child of this.#running.values()) child.kill('SIGINT')
    this.#timer = setTimeout(() => {
      const names = [...this.#running.keys()].join(', ')
      this.#options.note(`the run is finished, but ${names} did not end; stopping`)
      this.#stopAll({ kind: 'finished' })
    }, this.#options.lingerMs ?? LINGER_MS)
  }

  #stopAll(end: SwarmEnd): void {
    this.#end = this.#end?.kind === 'finished' ? this.#end : end
    this.#waiting = []
    if (this.#timer !== null) clearTimeout(this.#timer)
    for (const child of this.#running.values()) child.kill('SIGINT')
    this.#resumeAll()
    this.#timer = setTimeout(() => this.#kill(), this.#options.stopLimitMs ?? STOP_LIMIT_MS)
    // All of them may have been killed a moment ago.
    this.#endIfAlone()
  }

  /** Who stands still hears nothing of the end. */
  #resumeAll(): void {
    for (const name of [...this.#paused]) this.resume(name)
  }

  #kill(): void {
    for (const [name, child] of this.#running) {
      this.#options.note(`peer ${name} is ended by force; what it saved last is safe`)
      child.kill('SIGKILL')
    }
  }
}

/** The ticket names the run too: another run of the same file on this machine is not joined by mistake. */
const callingCard = ({ ticket, addresses }: { ticket: string | null; addresses: readonly string[] }) =>
  ticket === null ? addresses : [ticket]

function crash(name: string, { code, signal, lastWords }: Death): UserError {
  const how = signal === null ? `exit code ${code ?? 'unknown'}` : `killed by ${signal}`
  const words =
    lastWords.length === 0
      ? 'it said nothing'
      : `its last words:\n${lastWords.map((line) => `  ${line}`).join('\n')}`
  return new UserError(
    'training',
    `peer ${name} ended unexpectedly (${how}); ${words}`,
    'if memory ran out, take a smaller model or batch; otherwise resume with --resume --verbose and report what it prints',
  )
}
