// The streams and the environment a command works with, so that commands can be run against others.

export class Io {
  #whenClosed: () => void = () => process.exit(0)

  constructor(
    readonly stdout: NodeJS.WriteStream,
    readonly stderr: NodeJS.WriteStream,
    readonly env: NodeJS.ProcessEnv,
  ) {
    stdout.on('error', this.#onError)
    // Nobody can be told that stderr is gone.
    stderr.on('error', () => {})
  }

  /** What to do when the reader of stdout went away (`skein up FILE | head`, a closed terminal); ending quietly unless given. */
  whenClosed(handler: () => void): void {
    this.#whenClosed = handler
  }

  readonly #onError = (error: NodeJS.ErrnoException): void => {
    // EPIPE: a pipe without a reader; EIO: a terminal that was closed.
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
    this.#whenClosed()
  }
}
