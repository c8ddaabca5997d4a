// An engine that cannot be used here: why in a few words, for the line that names it beside others, and in full.
import { UserError } from '../core/user-error.js'

export class UnusableEngine extends UserError {
  /** @param why in a few words, as in `not installed` */
  constructor(
    readonly why: string,
    message: string,
    remedy: string,
  ) {
    super('engine', message, remedy)
  }
}
