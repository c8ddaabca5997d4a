// A process of a network bench, as the bench holds it: questions, answers, and its end.
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answers, Asks, Told } from './network-messages.js'

const program = fileURLToPath(new URL('./network-process.js', import.meta.url))

export class NetworkChild {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, (told: Told) => void>()
  #lastId = 0
  #end: string | null = null

  /** @param namespace of the network that it lives in; null for this one's */
  constructor(namespace: string | null) {
    const node = [process.execPath, program]
    const [command, ...args] = namespace === null ? node : ['ip', 'netns', 'exec', namespace, ...node]
    this.#process = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.#process.on('message', (told: Told) => {
      this.#waiting.get(told.id)?.(told)
      this.#waiting.delete(told.id)
    })
    this.#process.on('error', (error) => this.#ended(error.message))
    this.#process.on('exit', (code, signal) => this.#ended(`it ended with ${signal ?? code}`))
  }

  async ask<Name extends keyof Asks>(name: Name, what: Asks[Name]): Promise<Answers[Name]> {
    if (this.#end !== null) throw new Error(`a process of the bench is gone: ${this.#end}`)
    this.#lastId += 1
    const id = this.#lastId
    const answer = new Promise<Told>((resolve) => this.#waiting.set(id, resolve))
    this.#process.send({ id, name, what })
    const told = await answer
    if ('error' in told) throw new Error(`${name} failed: ${told.error}`)
    return told.gives as Answers[Name]
  }

  close(): void {
    this.#process.kill('SIGKILL')
  }

  #ended(why: string): void {
    this.#end ??= why
    for (const [id, answer] of this.#waiting) answer({ id, error: why })
    this.#waiting.clear()
  }
}
