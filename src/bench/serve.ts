// The other side of a contestant: answers one request after another until the bench closes its input.
import { createInterface } from 'node:readline'
import { UserError } from '../core/user-error.js'
import { type Answers, type Request, requestSchema } from './messages.js'

/** How a request is answered, by its kind. */
export type Handlers = {
  readonly [Run in Request['run']]?: (request: Request & { run: Run }) => Promise<Answers[Run]>
}

/**
 * Serves this process's standard input and ends the process.
 * @param open prepares what is measured: what the bench is told first, and how its requests are answered
 */
export async function serve(open: () => Promise<{ ready: object; handlers: Handlers }>): Promise<void> {
  try {
    const { ready, handlers } = await open()
    say({ ready: true, ...ready })
    for await (const line of createInterface({ input: process.stdin })) {
      const request = requestSchema.parse(JSON.parse(line))
      const handler = handlers[request.run] as ((request: Request) => Promise<object>) | undefined
      if (handler === undefined) throw new Error(`cannot answer ${request.run}`)
      say(await handler(request))
    }
  } catch (error) {
    const { message } = error as Error
    const remedy = error instanceof UserError ? { remedy: error.remedy } : {}
    say({ error: message.split('\n')[0], ...remedy })
    process.exitCode = 1
  }
  // Native engines keep threads, and with them the process, alive.
  process.stdout.write('', () => process.exit())
}

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}
