// Hello: what two peers say first, before one knows a run or is known in it.
import type { Connection, Stream } from '@libp2p/interface'
import { type PeerId, peerId } from '../../core/ids.js'
import type { Hello, HelloAnswer } from '../../ports/mesh.js'
import { helloAnswerSchema, helloSchema } from '../../wire/schemas.js'
import { asError } from '../errors.js'
import type { Meter } from '../flow/meter.js'
import { ask, hear, say } from './exchange.js'

export const HELLO_PROTOCOL = '/skein/hello/1'

export class Greeter {
  constructor(
    private readonly meter: Meter,
    private readonly answer: (from: PeerId, hello: Hello) => HelloAnswer,
    private readonly malformed: (from: PeerId, error: unknown) => void,
  ) {}

  /** Says hello over a connection. Rejects if no answer comes, or one that is malformed. */
  greet(connection: Connection, hello: Hello): Promise<HelloAnswer> {
    return ask(connection, HELLO_PROTOCOL, hello, helloAnswerSchema, this.meter)
  }

  /** Answers a hello. */
  readonly handle = async (stream: Stream, connection: Connection): Promise<void> => {
    const from = peerId(connection.remotePeer.toString())
    this.meter.attach(stream, from, 'control')
    let hello: Hello
    try {
      hello = await hear(stream, helloSchema)
    } catch (error) {
      this.malformed(from, error)
      stream.abort(asError(error))
      return
    }
    try {
      await say(stream, this.answer(from, hello))
      await stream.close()
    } catch {
      // The asker is gone; it asks again when it is back.
    }
  }
}
