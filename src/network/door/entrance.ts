// The entrance to a run, from both sides: a peer asks another one to be let in, and answers those who ask. It does so by
// hello, or, where the run is not open to everyone, by a knock at its door.
import type { PeerId } from '../../core/ids.js'
import type { Hello, HelloAnswer, MeshHandlers } from '../../ports/mesh.js'
import type { Connections } from '../connections.js'
import { Greeter } from '../direct/hello.js'
import type { Meter } from '../flow/meter.js'
import type { Doorkeeper } from './doorkeeper.js'
import type { Gate } from './gate.js'
import type { Presence } from './presence.js'

export interface EntranceParts {
  /** Null where the run is open to everyone. */
  readonly doorkeeper: Doorkeeper | null
  readonly gate: Gate
  readonly meter: Meter
  readonly connections: Connections
  readonly presence: Presence
  readonly handlers: Pick<MeshHandlers, 'hello' | 'refused'>
  readonly isRelay: (peer: PeerId) => boolean
  readonly malformed: (from: PeerId, error: unknown) => void
}

export class Entrance {
  readonly #greeter: Greeter

  constructor(private readonly parts: EntranceParts) {
    const { meter, malformed } = parts
    this.#greeter = new Greeter(meter, (from, hello) => this.#answer(from, hello), malformed)
  }

  /** Answers those who say hello. */
  get handle(): Greeter['handle'] {
    return this.#greeter.handle
  }

  /** Asks a connected peer to be let in. Rejects if no answer comes, or one that is malformed. */
  ask(peer: PeerId, hello: Hello): Promise<HelloAnswer> {
    const { doorkeeper } = this.parts
    return doorkeeper === null ? this.#greet(peer, hello) : this.#knock(doorkeeper, peer)
  }

  async #greet(peer: PeerId, hello: Hello): Promise<HelloAnswer> {
    const { presence, gate, isRelay, connections } = this.parts
    const connection = presence.connectionTo(peer)
    if (connection === undefined) throw new Error(`Cannot say hello to ${peer}: it is not connected.`)
    const answer = await this.#greeter.greet(connection, hello)
    if (answer.accepted) {
      gate.setOurs(peer)
    } else if (!answer.later) {
      gate.setForeign(peer, answer.reason)
      // A relay may be of another run.
      if (!isRelay(peer)) connections.hangUp(peer)
    }
    return answer
  }

  async #knock(keeper: Doorkeeper, peer: PeerId): Promise<HelloAnswer> {
    const [connection] = this.parts.connections.to(peer)
    if (connection === undefined) throw new Error(`Cannot knock at ${peer}: it is not connected.`)
    const answered = await keeper.knock(connection)
    if ('refusal' in answered)
      return { accepted: false, reason: answered.words, later: answered.refusal.kind === 'later' }
    const { genesis, leader, leaderAddresses, cluster } = answered.admitted
    const place = cluster === undefined ? {} : { cluster }
    return { accepted: true, genesis, leader, leaderAddresses, ...place }
  }

  #answer(from: PeerId, hello: Hello): HelloAnswer {
    const { doorkeeper, gate, handlers } = this.parts
    if (doorkeeper !== null) return doorkeeper.turnAway(from)
    const answer = handlers.hello(from, hello)
    if (answer.accepted) {
      gate.setOurs(from)
    } else if (!answer.later) {
      gate.setForeign(from, answer.reason)
      handlers.refused(from, 'hello', answer.reason)
    }
    return answer
  }
}
