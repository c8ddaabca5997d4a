// The engine that a trainer uses. Where it fails, another takes its place, once, and what it was doing starts again.
import { UserError } from '../core/user-error.js'
import { RoundAborted } from '../ports/trainer.js'
import type { Engine } from './engine.js'

export class EngineInUse {
  #engine: Engine
  #failure: string | null = null

  /**
   * @param replace opens the engine that takes the place of one that failed
   * @param warn is told of it in words
   */
  constructor(
    engine: Engine,
    private readonly replace: (failed: Engine) => Promise<Engine>,
    private readonly warn: (message: string, now: Engine) => void,
  ) {
    this.#engine = engine
  }

  /**
   * Does some work on the engine, from its start on another one where this one fails. Errors that the user can mend,
   * and aborts, are not the engine's.
   * @param what the work, in words
   * @throws UserError when the other engine fails as well, now or later
   */
  async do<Result>(what: string, work: (engine: Engine) => Promise<Result>): Promise<Result> {
    try {
      return await work(this.#engine)
    } catch (error) {
      if (error instanceof UserError || error instanceof RoundAborted) throw error
      await this.#takeAnother(what, asError(error))
      return this.do(what, work)
    }
  }

  async #takeAnother(what: string, error: Error): Promise<void> {
    const failed = this.#engine
    const failure = `the engine ${failed.name} failed: ${error.message.split('\n')[0]}`
    if (this.#failure !== null) throw failedTwice(`${failure}; before it ${this.#failure}`, error)
    this.#failure = failure
    this.#engine = await this.replace(failed).catch((other: Error) => {
      throw failedTwice(`${failure}; and no other took its place: ${other.message}`, error)
    })
    this.warn(`${failure}; ${this.#engine.name} takes its place and ${what} starts again`, this.#engine)
  }
}

/** Code compiled to WebAssembly throws plain values as well. */
const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)))

function failedTwice(message: string, cause: Error): UserError {
  const remedy = 'choose an engine with --engine, a smaller model or batch; report it if it happens again'
  return new UserError('engine', message, remedy, { cause })
}
