// Drives one peer in real time: events in, the core's step, effects out, one event after the other.
import type { Effect, EffectOf, NewEvent, TimerName } from '../core/events.js'
import { createPeer, step } from '../core/peer.js'
import type { PeerSetup, PeerState } from '../core/state.js'

export type Dispatch = (event: NewEvent) => void
export type Ending = EffectOf<'end'>
/** Effects that reach beyond the driver. */
export type OutwardEffect = Exclude<Effect, { type: 'set-timer' | 'cancel-timer' | 'end' }>

/** The longest that Node's timers can wait, 24.8 days; beyond it they would fire at once. */
const longestTimerMs = 2 ** 31 - 1

export class Driver {
  #state: PeerState
  readonly #queue: NewEvent[] = []
  readonly #timers = new Map<TimerName, NodeJS.Timeout>()
  #working = false
  #broken = false
  #resolve: (ending: Ending) => void = () => {}
  #reject: (error: unknown) => void = () => {}
  /** How the peer's part ended. Rejects with whatever the core or an effect throws: both are faults of the program. */
  readonly ended = new Promise<Ending>((resolve, reject) => {
    this.#resolve = resolve
    this.#reject = reject
  })

  constructor(
    setup: PeerSetup,
    private readonly carryOut: (effect: OutwardEffect) => void,
    private readonly now: () => number,
    private readonly options: {
      /** In [0, 1): spreads the timers of peers that would otherwise act at once. */
      readonly random?: () => number
      /** Called after every event, once its effects are carried out. */
      readonly stepped?: (before: PeerState, after: PeerState) => void
    } = {},
  ) {
    this.#state = createPeer(setup)
    // Whoever runs the peer looks at it later than the first event may fail.
    this.ended.catch(() => {})
  }

  get state(): PeerState {
    return this.#state
  }

  /**
   * Takes an event; what carrying out its effects brings about at once waits for its turn. Never throws: a fault
   * here must not pass for the failure of whatever brought the event.
   */
  readonly dispatch: Dispatch = (event) => {
    if (this.#broken) return
    this.#queue.push(event)
    if (this.#working) return
    this.#working = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#take(next)
    } catch (error) {
      this.#broken = true
      this.close()
      this.#reject(error)
    } finally {
      this.#working = false
    }
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  #take(event: NewEvent): void {
    const before = this.#state
    const [state, effects] = step(before, { ...event, at: this.now() })
    this.#state = state
    for (const effect of effects) this.#effect(effect)
    this.options.stepped?.(before, state)
  }

  #effect(effect: Effect): void {
    switch (effect.type) {
      case 'set-timer': {
        const { name, afterMs, spreadMs = 0 } = effect
        const delayMs = Math.min(afterMs + spreadMs * (this.options.random ?? Math.random)(), longestTimerMs)
        clearTimeout(this.#timers.get(name))
        this.#timers.set(
          name,
          setTimeout(() => this.dispatch({ type: 'timer', name }), delayMs),
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
