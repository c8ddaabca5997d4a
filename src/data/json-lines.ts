// Reads JSON Lines, plain or gzipped: one object per line, whose `text` is a document, as C4 is shipped.
import { openBytes } from './bytes.js'
import { dataError, notText, unreadable } from './data-error.js'
import type { TextBuilder } from './text-builder.js'

/** Longer than any document; a line beyond it means that the file is not JSON Lines. */
const maxLineBytes = 64 * 2 ** 20
const newline = 0x0a
/** Ends a document: its last line, and an empty one. */
const documentEnd = '\n\n'

/**
 * Appends a document for each line with text; blank lines and blank texts are left out.
 *
 * @throws UserError naming the line if one is not an object with a `text` string
 */
export async function readJsonLines(path: string, builder: TextBuilder): Promise<void> {
  let number = 0
  try {
    for await (const line of linesOf(path)) {
      number += 1
      const text = textOf(path, number, line)
      if (text.trim() === '') continue
      builder.startDocument()
      builder.append(Buffer.from(withoutLastNewlines(text) + documentEnd))
    }
  } catch (error) {
    throw unreadable(path, error)
  }
}

function withoutLastNewlines(text: string): string {
  let end = text.length
  while (end > 0 && text[end - 1] === '\n') end -= 1
  return text.slice(0, end)
}

/** The `text` of a line; '' where the line is blank. */
function textOf(path: string, number: number, line: Uint8Array): string {
  const json = decode(path, number, line)
  if (json.trim() === '') return ''
  const value = parse(path, number, json)
  const text = typeof value === 'object' && value !== null && 'text' in value ? value.text : undefined
  if (typeof text === 'string') return text
  throw dataError(
    `line ${number} of ${path} has no \`text\` string`,
    'give every line the form {"text": "..."}, or rename a plain text file to .txt',
  )
}

function decode(path: string, number: number, line: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(line)
  } catch {
    throw notText(path, `a wrong byte in line ${number}`)
  }
}

function parse(path: string, number: number, json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw dataError(
      `line ${number} of ${path} is not JSON: ${(cause as Error).message}`,
      'give every line the form {"text": "..."}, or rename a plain text file to .txt',
      cause,
    )
  }
}

/** Lines without their newline; the last one may lack it. */
async function* linesOf(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  let pieces: Uint8Array[] = []
  let pending = 0
  let number = 1
  for await (const chunk of openBytes(path)) {
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      yield joined(pieces, chunk.subarray(start, end))
      pieces = []
      pending = 0
      start = end + 1
      number += 1
    }
    pieces.push(chunk.subarray(start))
    pending += chunk.length - start
    if (pending > maxLineBytes) throw tooLong(path, number)
  }
  if (pending > 0) yield joined(pieces, new Uint8Array(0))
}

const joined = (pieces: readonly Uint8Array[], last: Uint8Array): Uint8Array =>
  pieces.length === 0 ? last : Buffer.concat([...pieces, last])

const tooLong = (path: string, number: number): Error =>
  dataError(
    `line ${number} of ${path} is longer than ${maxLineBytes / 2 ** 20} MiB`,
    'give every document a line of its own, or rename a plain text file to .txt',
  )
