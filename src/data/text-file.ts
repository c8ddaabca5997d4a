// Reads a text file, plain or gzipped, as one document.
import { TextDecoder } from 'node:util'
import { type ByteStream, openBytes } from './bytes.js'
import { notText, unreadable } from './data-error.js'
import type { TextBuilder } from './text-builder.js'

/** A byte order mark says nothing in UTF-8 and is left out. */
const byteOrderMark = Uint8Array.of(0xef, 0xbb, 0xbf)

/**
 * Appends a file's text as a document; an empty file adds nothing.
 *
 * @throws UserError if it cannot be read or is not UTF-8 text
 */
export async function readTextFile(path: string, builder: TextBuilder): Promise<void> {
  builder.startDocument()
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let offset = 0
  try {
    for await (const chunk of withoutMark(openBytes(path))) {
      const zero = chunk.indexOf(0)
      if (zero >= 0) throw notText(path, `a zero at byte ${offset + zero}; it looks like a binary file`)
      checkUtf8(path, decoder, chunk, offset)
      builder.append(chunk)
      offset += chunk.length
    }
    checkUtf8(path, decoder, null, offset)
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** @param chunk null at the end of the file */
function checkUtf8(path: string, decoder: TextDecoder, chunk: Uint8Array | null, offset: number): void {
  try {
    if (chunk === null) decoder.decode()
    else decoder.decode(chunk, { stream: true })
  } catch {
    const place = chunk === null ? 'its last character is incomplete' : `a wrong byte after byte ${offset}`
    throw notText(path, place)
  }
}

async function* withoutMark(chunks: ByteStream): ByteStream {
  let start: Uint8Array | null = new Uint8Array(0)
  for await (const chunk of chunks) {
    if (start === null) {
      yield chunk
      continue
    }
    start = start.length === 0 ? chunk : Buffer.concat([start, chunk])
    if (start.length < byteOrderMark.length) continue
    yield startsWithMark(start) ? start.subarray(byteOrderMark.length) : start
    start = null
  }
  if (start !== null && start.length > 0) yield start
}

const startsWithMark = (bytes: Uint8Array): boolean => byteOrderMark.every((byte, i) => bytes[i] === byte)
