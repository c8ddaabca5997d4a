// One peer in a process of its own: starts it, hears it, keeps its last words.
import { fork } from 'node:child_process'
import { type ChildMessage, readChildMessage } from './child-channel.js'

/** To stop it in order, to end it at once, to halt it where it is and to let it go on. */
export type ChildSignal = 'SIGINT' | 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'

/** A running peer process. */
export interface Child {
  kill(signal: ChildSignal): void
}
/** How a peer process ended, and the end of what it wrote to stderr and stdout. */
export interface Death {
  readonly code: number | null
  readonly signal: string | null
  readonly lastWords: readonly string[]
}
export interface ChildListener {
  message(message: ChildMessage): void
  /** Called once, after the last message. */
  ended(death: Death): void
}

// Enough for an error with its cause; a whole log belongs in a file.
const LAST_WORDS_LINES = 12
const LAST_WORDS_CHARACTERS = 8192

/** Forks `script` with `args`, and `env` beside the own environment. What it writes is kept and, if `echo` is given, passed on. */
export function startChild(
  script: string,
  args: readonly string[],
  listener: ChildListener,
  echo: ((text: string) => void) | null,
  env: Readonly<Record<string, string>> = {},
): Child {
  const child = fork(script, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // Out of the terminal's process group: Ctrl-C reaches a peer once, from the command that started it.
    detached: true,
  })
  let tail = ''
  const keep = (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-LAST_WORDS_CHARACTERS)
    echo?.(chunk.toString())
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  child.on('message', (raw) => {
    const message = readChildMessage(raw)
    if (message !== null) listener.message(message)
  })
  const lastWords = () => tail.trim().split('\n').filter(Boolean).slice(-LAST_WORDS_LINES)
  let told = false
  const ended = (code: number | null, signal: string | null, words: readonly string[]) => {
    if (told) return
    told = true
    listener.ended({ code, signal, lastWords: words })
  }
  child.on('error', (error) => {
    if (child.pid === undefined) ended(null, null, [error.message])
  })
  child.on('close', (code, signal) => {
    const end = () => ended(code, signal, lastWords())
    // The channel may still hold messages sent before the end.
    if (child.connected) child.once('disconnect', end)
    else end()
  })
  return { kill: (signal) => child.kill(signal) }
}
