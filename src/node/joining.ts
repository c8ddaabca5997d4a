// Finding the run: says hello to every peer that turns up, until one of ours answers with the genesis.
import type { PeerId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { sha256 } from '../platform/sha256.js'
import type { Hello, HelloAnswer, Mesh } from '../ports/mesh.js'
import { type Genesis, parseGenesis, runIdOf } from '../swarmfile/genesis.js'
import { comparableRun } from './founding.js'
import type { PeerOptions } from './options.js'
import { attemptLine } from './reach.js'
import type { Reporter } from './reporter.js'

/** A peer that was called by name waits this long for the first answer; discovery alone may take for ever. */
const patienceMs = 60_000
/** How often a peer that is still looking says so. */
const noticeMs = 10_000
/** A peer that is in no run yet, or did not answer, is asked again after this long: reading a corpus takes seconds. */
const askAgainMs = 1_000

export interface Found {
  readonly genesis: Genesis
  /** Of the member that answered; null where clusters are not swarms of their own. */
  readonly cluster: string | null
}

/** Collects what the search met, for the error that ends it and the notices meanwhile. */
export class Search {
  readonly #failures = new Map<string, string>()
  #resolve: (found: Found) => void = () => {}
  #reject: (error: Error) => void = () => {}
  readonly #found = new Promise<Found>((resolve, reject) => {
    this.#resolve = resolve
    this.#reject = reject
  })
  readonly #asked = new Set<PeerId>()
  readonly #again = new Map<PeerId, NodeJS.Timeout>()
  #over = false
  #called: PeerId | null = null

  constructor(
    private readonly options: PeerOptions,
    private readonly reporter: Reporter,
  ) {}

  /** A peer is connected: asks it what run it belongs to. */
  greet(mesh: Mesh, peer: PeerId): void {
    if (this.#over || this.#asked.has(peer)) return
    this.#asked.add(peer)
    mesh
      .hello(peer, this.#hello())
      .then((answer) => this.#answered(mesh, peer, answer))
      .catch((error: Error) => this.#askAgain(mesh, peer, error.message))
  }

  /** A peer went away: when it comes back it is asked anew. */
  lost(peer: PeerId): void {
    this.#asked.delete(peer)
    clearTimeout(this.#again.get(peer))
  }

  /** Calls the given addresses, and waits. @throws UserError when refused, or after a minute without an answer */
  async run(mesh: Mesh, stop: AbortSignal): Promise<Found> {
    const dialling = this.options.bootstrap.map((address) => this.#call(mesh, address, stop))
    const notices = setInterval(() => this.#notice(), noticeMs)
    const patience = setTimeout(() => this.#giveUp(mesh), patienceMs)
    const stopped = () => this.#reject(new DOMException('stopped', 'AbortError'))
    stop.addEventListener('abort', stopped)
    if (stop.aborted) stopped()
    try {
      return await this.#found
    } finally {
      this.#over = true
      for (const timer of this.#again.values()) clearTimeout(timer)
      clearInterval(notices)
      clearTimeout(patience)
      stop.removeEventListener('abort', stopped)
      await Promise.allSettled(dialling)
    }
  }

  #hello(): Hello {
    const { swarm, run, name } = this.options
    return { run, config: swarm === null ? null : comparableRun(swarm.run), name }
  }

  async #call(mesh: Mesh, address: string, stop: AbortSignal): Promise<void> {
    let settled = false
    void this.#found.then(
      () => (settled = true),
      () => (settled = true),
    )
    for (let pauseMs = 250; !settled && !stop.aborted; pauseMs = Math.min(4_000, 2 * pauseMs)) {
      try {
        this.#called = await mesh.dial(address)
        return this.greet(mesh, this.#called)
      } catch (error) {
        this.#failures.set(address, (error as Error).message)
        if (error instanceof UserError && error.kind === 'usage') return this.#reject(error)
        await Promise.race([
          new Promise((resolve) => setTimeout(resolve, pauseMs)),
          this.#found.catch(() => {}),
        ])
      }
    }
  }

  #answered(mesh: Mesh, peer: PeerId, answer: HelloAnswer): void {
    if (!answer.accepted) {
      if (answer.later) return this.#askAgain(mesh, peer, answer.reason)
      this.#asked.delete(peer)
      this.#failures.set(peer, answer.reason)
      if (peer !== this.#called) return
      this.#reject(
        new UserError(
          'refused',
          `${peer} refused this peer: ${answer.reason}`,
          this.options.invitation === null && this.options.swarm !== null
            ? 'use the swarm file, seed and corpus of that run, or start a run of your own'
            : 'ask a member of the run for a new ticket, which `skein ticket RUN-FOLDER` prints there',
        ),
      )
      return
    }
    const genesis = parseGenesis(answer.genesis)
    const id = runIdOf(genesis, sha256)
    if (this.options.run !== null && id !== this.options.run) {
      this.#failures.set(peer, `it belongs to run ${id}`)
      return
    }
    const { leader, leaderAddresses, cluster = null } = answer
    if (leader !== null) mesh.call(leader, leaderAddresses)
    this.#resolve({ genesis, cluster })
  }

  #askAgain(mesh: Mesh, peer: PeerId, why: string): void {
    this.#failures.set(peer, why)
    if (this.#over) return
    const again = () => {
      this.#asked.delete(peer)
      this.greet(mesh, peer)
    }
    clearTimeout(this.#again.get(peer))
    this.#again.set(peer, setTimeout(again, askAgainMs))
  }

  #notice(): void {
    this.reporter.warn(`Still looking for the run${this.#tried()}.`)
  }

  #giveUp(mesh: Mesh): void {
    if (this.options.bootstrap.length === 0) return
    const calls = mesh.attempts().map((attempt) => `\n  ${attemptLine(attempt)}`)
    this.#reject(
      new UserError(
        'network',
        `no peer of the run answered within ${patienceMs / 1000} s${this.#tried()}${calls.join('')}`,
        'check that a peer of the run is up and the address current; `skein peer` prints it when it starts',
      ),
    )
  }

  #tried(): string {
    if (this.#failures.size === 0) return ' (nobody has turned up yet)'
    return `: ${[...this.#failures].map(([who, why]) => `${who}: ${why}`).join('; ')}`
  }
}
