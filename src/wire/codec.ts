// Bytes to values and back: msgpack with a size cap before decoding and a schema after it.
import { Packr } from 'msgpackr'
import type { z } from 'zod'

/** Largest control message, in bytes: 4 MiB of empty maps would become 269 MB of heap. */
export const CONTROL_CAP_BYTES = 64 * 1024

/** Bytes that are not what they should be; `reason` says in what. Nothing of them was used. */
export class MalformedMessage extends Error {
  override readonly name = 'MalformedMessage'
  constructor(readonly reason: string) {
    super(reason)
  }
}

// Records and structured clones are msgpackr's own extensions; numbers must come back as numbers.
const packr = new Packr({ useRecords: false, structuredClone: false, int64AsType: 'number' })

/** Msgpack bytes of a plain value. Byte arrays stay byte arrays; other typed arrays lose their type, -0 its sign. */
export function encode(value: unknown): Uint8Array {
  const packed = packr.pack(value)
  // A copy: msgpackr packs into a buffer that it shares between calls.
  return new Uint8Array(packed)
}

/**
 * The value in `bytes`, checked against `schema`.
 * @throws MalformedMessage when larger than `capBytes`, not msgpack, or not as the schema says
 */
export function decode<T>(bytes: Uint8Array, schema: z.ZodType<T>, capBytes: number): T {
  if (bytes.byteLength > capBytes) {
    throw new MalformedMessage(`${bytes.byteLength} bytes where at most ${capBytes} are allowed`)
  }
  const checked = schema.safeParse(unpack(bytes))
  if (!checked.success) throw new MalformedMessage(firstIssue(checked.error))
  return checked.data
}

function unpack(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes)
  } catch (error) {
    throw new MalformedMessage(`not msgpack: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0]
  const path = issue.path.map(String).join('.')
  return path === '' ? issue.message : `${path}: ${issue.message}`
}
