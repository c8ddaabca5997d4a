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
  /** Starts one peer; `bootstrap` are tickets or addresses to call on. */
  readonly start: (name: string, bootstrap: readonly string[], listener: ChildListener) => Child
  readonly record: (record: EventRecord) => void
  readonly note: (text: string) => void
  /** Time for a peer to save and end after it was asked to. */
  readonly stopLimitMs?: number
  /** Time for the others to end once the founder has finished the run. */
  readonly lingerMs?: number
}

export type SwarmEnd =
  | { readonly kind: 'finished' }
  /** Asked to stop, by Ctrl-C or by a signal to the founder. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'failed'; readonly error: UserError }

// A stop is promised within 2 s; this leaves 0.2 s to end a peer that does not answer.
const STOP_LIMIT_MS = 1800
// A farewell and a last fetch of theta over a slow link take seconds; longer means that a peer hangs.
const LINGER_MS = 20_000

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #running = new Map<string, Child>()
  readonly #outcomes = new Map<string, PeerOutcome>()
  readonly #errors = new Map<string, UserError>()
  #resolve: (end: SwarmEnd) => void = () => {}
  #waiting: readonly string[]
  #begun = false
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
      else this.#start(founder, [])
    })
  }

  /** The first time asks every peer to save and end; the second ends them at once. */
  interrupt(times: number): void {
    if (times > 1) this.#kill()
    else this.#stopAll({ kind: 'stopped' })
  }

  #start(name: string, bootstrap: readonly string[]): void {
    const child = this.#options.start(name, bootstrap, {
      message: (message) => this.#hear(name, message),
      ended: (death) => this.#bury(name, death),
    })
    this.#running.set(name, child)
  }

  #startWaiting(bootstrap: readonly string[]): void {
    const names = this.#waiting
    this.#waiting = []
    for (const name of names) this.#start(name, bootstrap)
  }

  #hear(name: string, message: ChildMessage): void {
    switch (message.kind) {
      case 'record':
        this.#options.record(message.record)
        if (message.record.type === 'assigned') this.#begun = true
        if (message.record.type === 'listening' && name === this.#options.founder && this.#end === null)
          this.#startWaiting(callingCard(message.record))
        return
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

  #bury(name: string, death: Death): void {
    this.#running.delete(name)
    if (this.#end === null || this.#end.kind === 'finished') this.#judge(name, death)
    if (this.#running.size > 0 || (this.#waiting.length > 0 && this.#end === null)) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#resolve(this.#verdict())
  }

  /** Asked to stop when only the sample was missing: the run is finished all the same. */
  #verdict(): SwarmEnd {
    const { founder } = this.#options
    const finished = founder !== null && this.#outcomes.get(founder)?.kind === 'finished'
    if (this.#end === null || (this.#end.kind === 'stopped' && finished)) return { kind: 'finished' }
    return this.#end
  }

  /** Decides what the end of one peer means for the rest. */
  #judge(name: string, death: Death): void {
    const outcome = this.#outcomes.get(name)
    const isFounder = name === this.#options.founder
    if (outcome?.kind === 'finished') {
      if (isFounder) this.#linger()
      return
    }
    if (outcome?.kind === 'stopped') {
      if (isFounder) this.#stopAll({ kind: 'stopped' })
      else if (this.#end === null) this.#options.note(`peer ${name} was stopped; the others go on`)
      return
    }
    const error = this.#errors.get(name) ?? crash(name, death)
    if (this.#end !== null) this.#options.note(`${error.message}\n(the run was finished by then)`)
    else if (isFounder || !this.#canGoOn()) this.#stopAll({ kind: 'failed', error })
    else this.#options.note(`${error.message}\nthe others go on`)
  }

  /** Somebody is left, and the run has begun, still can begin, or never could with the local peers alone. */
  #canGoOn(): boolean {
    const { peers, founder, startPeers } = this.#options
    const left = this.#running.size
    if (left === 0) return false
    return this.#begun || founder === null || left >= startPeers || peers.length < startPeers
  }

  #linger(): void {
    this.#end = { kind: 'finished' }
    // It was over when it was resumed: who comes after the founder's end would wait for it in vain.
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
    this.#timer = setTimeout(() => this.#kill(), this.#options.stopLimitMs ?? STOP_LIMIT_MS)
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
