// Remembers the last call at each address, for who wants to know why a peer is not reached.
import type { Attempt } from '../../ports/paths.js'

/** Addresses that are remembered at most; the oldest is forgotten first. */
const MOST = 256

export class Attempts {
  readonly #last = new Map<string, Attempt>()

  constructor(private readonly heard: (attempt: Attempt) => void) {}

  note(attempt: Attempt): void {
    // Newest last.
    this.#last.delete(attempt.address)
    this.#last.set(attempt.address, attempt)
    if (this.#last.size > MOST) this.#last.delete(this.#last.keys().next().value as string)
    this.heard(attempt)
  }

  list(): readonly Attempt[] {
    return [...this.#last.values()]
  }
}
