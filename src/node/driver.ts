// Drives one peer in real time: events in, the core's step, effects out, one event after the other.
import type { Effect, PeerEvent, TimerName } from '../core/events.js'
import { createPeer, step } from '../core/peer.js'
import type { PeerSetup, PeerState } from '../core/state.js'

type Untimed<Event> = Event extends unknown ? Omit<Event, 'at'> : never
/** An event as its source knows it; the driver adds the time. */
export type NewEvent = Untimed<PeerEvent>
export type Dispatch = (event: NewEvent) => void
export type Ending = Extract<Effect, { type: 'end' }>
/** Effects that reach beyond the driver. */
export type OutwardEffect = Exclude<Effect, { type: 'set-timer' | 'cancel-timer' | 'end' }>

export class Driver {
  #state: PeerState
  readonly #queue: NewEvent[] = []
  readonly #timers = new Map<TimerName, NodeJS.Timeout>()
  #working = false
  #resolve: (ending: Ending) => void = () => {}
  /** How the peer's part ended. */
  readonly ended = new Promise<Ending>((resolve) => {
    this.#resolve = resolve
  })

  constructor(
    setup: PeerSetup,
    private readonly carryOut: (effect: OutwardEffect) => void,
    private readonly now: () => number,
  ) {
    this.#state = createPeer(setup)
  }

  get state(): PeerState {
    return this.#state
  }

  /** Takes an event; what carrying out its effects brings about at once waits for its turn. */
  readonly dispatch: Dispatch = (event) => {
    this.#queue.push(event)
    if (this.#working) return
    this.#working = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#take(next)
    } finally {
      this.#working = false
    }
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  #take(event: NewEvent): void {
    const [state, effects] = step(this.#state, { ...event, at: this.now() } as PeerEvent)
    this.#state = state
    for (const effect of effects) this.#effect(effect)
  }

  #effect(effect: Effect): void {
    switch (effect.type) {
      case 'set-timer': {
        const { name, afterMs } = effect
        clearTimeout(this.#timers.get(name))
        this.#timers.set(
          name,
          setTimeout(() => this.dispatch({ type: 'timer', name }), afterMs),
        )
        return
      }
      case 'cancel-timer':
        clearTimeout(this.#timers.get(effect.name))
        return
      case 'end':
        this.close()
        this.#resolve(effect)
        return
      default:
        this.carryOut(effect)
    }
  }
}
