// A process that is measured: started for one row, asked one thing at a time, ended by its own id.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { z } from 'zod'
import { UserError } from '../core/user-error.js'
import { type Answers, answerSchemas, errorSchema, type Request } from './messages.js'

export interface Command {
  /** What it is called in errors. */
  readonly label: string
  readonly file: string
  readonly arguments: readonly string[]
  readonly environment: NodeJS.ProcessEnv
  /** What to do where it fails and does not say so itself. */
  readonly remedy: string
}

// Enough for an error with its cause.
const LAST_WORDS_LINES = 6
const LAST_WORDS_CHARACTERS = 4096

/** A process that answers requests. Its first line says that it is ready. */
export class Contestant {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #closed: Promise<unknown>
  #expected: { resolve(message: object): void; reject(error: unknown): void } | null = null
  #lastWords = ''

  private constructor(
    private readonly command: Command,
    private readonly signal: AbortSignal,
  ) {
    this.#child = spawn(command.file, command.arguments, {
      env: { ...process.env, ...command.environment },
      // Out of the terminal's process group: Ctrl-C is for the bench, which ends its contestants.
      detached: true,
    })
    this.#closed = once(this.#child, 'close').catch(() => {})
    this.#listen()
  }

  /**
   * Starts a process and awaits that it is ready.
   * @param ready what its first line must be
   * @throws UserError where it does not start, or says why it cannot
   */
  static async start<Ready>(
    command: Command,
    ready: z.ZodType<Ready>,
    signal: AbortSignal,
  ): Promise<{ contestant: Contestant; ready: Ready }> {
    signal.throwIfAborted()
    const contestant = new Contestant(command, signal)
    try {
      return { contestant, ready: await contestant.#hear(ready) }
    } catch (error) {
      await contestant.end()
      throw error
    }
  }

  /** Takes steps; the milliseconds of each. */
  async steps(count: number): Promise<readonly number[]> {
    const { ms } = await this.#ask({ run: 'steps', count })
    if (ms.length !== count) throw this.#failure(`answers ${count} steps with ${ms.length} times`)
    return ms
  }

  /** Multiplies two matrices [size, size] for a moment; GFLOP/s of the best product. */
  async sgemm(size: number): Promise<number> {
    return (await this.#ask({ run: 'sgemm', size })).gflops
  }

  /** Bytes; null where it cannot tell. */
  async peakBytes(): Promise<number | null> {
    return (await this.#ask({ run: 'memory' })).peakBytes
  }

  /** Ends the process, and what it started itself; resolves once it is gone. */
  async end(): Promise<void> {
    this.signal.removeEventListener('abort', this.#onAbort)
    this.#kill()
    await this.#closed
  }

  #listen(): void {
    const { stdin, stdout, stderr } = this.#child
    const keep = (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS_CHARACTERS)
    }
    createInterface({ input: stdout }).on('line', (line) => {
      const message = parsed(line)
      // Libraries greet and warn on stdout too.
      if (message === null || this.#expected === null) keep(`${line}\n`)
      else this.#expected.resolve(message)
    })
    stderr.on('data', (chunk: Buffer) => keep(chunk.toString()))
    // A process that ended does not read; that it ended is told below.
    stdin.on('error', () => {})
    this.#child.on('error', (error) =>
      this.#expected?.reject(this.#failure(`does not start: ${error.message}`)),
    )
    this.#child.on('close', (code, signal) => this.#expected?.reject(this.#ended(code, signal)))
    this.signal.addEventListener('abort', this.#onAbort)
  }

  readonly #onAbort = (): void => {
    this.#expected?.reject(this.signal.reason)
    this.#kill()
  }

  #kill(): void {
    const { pid, exitCode, signalCode } = this.#child
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    try {
      // The group that it leads: a wrapper may have started another process.
      process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL')
    } catch {
      // It ended by itself just now.
    }
  }

  async #ask<Run extends Request['run']>(request: Request & { run: Run }): Promise<Answers[Run]> {
    const { exitCode, signalCode, stdin } = this.#child
    if (exitCode !== null || signalCode !== null) throw this.#ended(exitCode, signalCode)
    const answer = this.#hear<unknown>(answerSchemas[request.run])
    stdin.write(`${JSON.stringify(request)}\n`)
    return (await answer) as Answers[Run]
  }

  async #hear<Message>(schema: z.ZodType<Message>): Promise<Message> {
    this.signal.throwIfAborted()
    const heard = await new Promise<object>((resolve, reject) => {
      this.#expected = { resolve, reject }
    }).finally(() => {
      this.#expected = null
    })
    const error = errorSchema.safeParse(heard)
    if (error.success) throw this.#failure(`: ${error.data.error}`, error.data.remedy)
    const message = schema.safeParse(heard)
    if (message.success) return message.data
    throw this.#failure(`answers what was not asked: ${JSON.stringify(heard).slice(0, 200)}`)
  }

  #ended(code: number | null, signal: string | null): UserError {
    const words = this.#lastWords.trim().split('\n').slice(-LAST_WORDS_LINES).join('\n')
    const how = signal === null ? `exit code ${code}` : signal
    const killed = signal === 'SIGKILL' ? '; the system ends a process so when memory runs out' : ''
    return this.#failure(`ended before it answered (${how}${killed})${words === '' ? '' : `: ${words}`}`)
  }

  #failure(what: string, remedy = this.command.remedy): UserError {
    return new UserError('engine', `${this.command.label}${what.startsWith(':') ? '' : ' '}${what}`, remedy)
  }
}

function parsed(line: string): object | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' ? value : null
  } catch {
    return null
  }
}
