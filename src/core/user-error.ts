// An error that the user can mend: its message says what happened and why, its remedy what to do.

/** Exit codes by kind, stable for scripts. */
export const exitCodes = {
  usage: 2,
  config: 3,
  data: 4,
  network: 5,
  refused: 6,
  engine: 7,
  storage: 8,
  training: 9,
} as const
export type ErrorKind = keyof typeof exitCodes

export class UserError extends Error {
  override readonly name = 'UserError'
  constructor(
    readonly kind: ErrorKind,
    message: string,
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(message, options)
  }
}
