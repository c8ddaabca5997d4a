// The run that this peer speaks for, once it has entered one: topics, control and bulk are of that run only.
import type { RunId } from '../core/ids.js'

export class EnteredRun {
  #id: RunId | null = null

  /** Null until a run is entered. */
  get id(): RunId | null {
    return this.#id
  }

  /** @throws Error if another one was entered before */
  enter(run: RunId): void {
    if (this.#id !== null && this.#id !== run) {
      throw new Error(
        `The network already speaks for run ${this.#id}; another one needs a network of its own.`,
      )
    }
    this.#id = run
  }

  /** @throws Error if there is none yet */
  entered(): RunId {
    if (this.#id === null) throw new Error('No run has been entered yet.')
    return this.#id
  }
}
