// A scene: commands to a simulated swarm, each in words, and the transcript of what came of those that are shown.
import type { SimulatedSwarm, TraceLine } from '../../src/simulate/swarm.js'
import { transcript } from '../../src/simulate/transcript.js'
import { simulate } from '../swarm/swarms.js'

export class Scene {
  readonly swarm: SimulatedSwarm
  readonly #commands: string[] = []
  readonly #shown: string[] = []
  #lines: TraceLine[] = []

  constructor(
    readonly about: string,
    options: Parameters<typeof simulate>[0] = {},
  ) {
    this.swarm = simulate({ ...options, trace: (line) => this.#lines.push(line) })
  }

  /** Leads up to what is to be seen. */
  before(words: string, command: (swarm: SimulatedSwarm) => void): this {
    this.#run(words, command)
    return this
  }

  /** What comes of it is shown; of some peers only, if they are named. */
  show(words: string, command: (swarm: SimulatedSwarm) => void, of?: readonly string[]): this {
    this.#run(words, command)
    const lines = this.#lines.filter(({ peer }) => of === undefined || of.includes(peer))
    const names = of === undefined ? '' : ` (as ${of.join(' and ')} ${of.length === 1 ? 'sees' : 'see'} it)`
    const text = lines.length === 0 ? '' : transcript(lines, { nameOf: (id) => this.#nameOf(id) })
    this.#shown.push(`\n# ${words}${names}\n${text.trim() === '' ? '' : text}`)
    return this
  }

  text(): string {
    const commands = this.#commands.map((words, i) => `# ${i + 1}. ${words}`)
    return `# ${this.about}\n${commands.join('\n')}\n${this.#shown.join('')}`
  }

  #run(words: string, command: (swarm: SimulatedSwarm) => void): void {
    this.#lines = []
    this.#commands.push(words)
    command(this.swarm)
  }

  #nameOf(id: string): string {
    const peers = [...this.swarm.peers.values()]
    const known = peers.find((peer) => peer.id === id)
    // One that lost its disk had another identity before.
    return known?.name ?? `the old ${id.replace(/^id-|'+$/g, '')}`
  }
}

/** Lets this much time pass. */
export const pass =
  (ms: number) =>
  (swarm: SimulatedSwarm): void => {
    swarm.run(swarm.clock.now + ms)
  }

/** All start, and wait until so many of them vote. */
export const untilVoters =
  (count: number) =>
  (swarm: SimulatedSwarm): void => {
    swarm.startAll().runUntil(() => {
      const name = swarm.leader()
      const configuration = name === null ? undefined : swarm.state(name).replica?.ledger.configuration
      return configuration?.next === null && configuration.voters.length === count
    })
    // What that leads to is over.
    pass(100)(swarm)
  }
