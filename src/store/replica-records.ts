// The records of a replica's log as bytes: parts, each a tag, its length and its content. What is made durable
// together is one record, so that a crash leaves all of it or nothing.
import type { HardState } from '../core/events.js'
import type { LogPoint } from '../core/messages.js'

/** A ledger entry's bytes are its codec's. */
export type Part =
  | { readonly kind: 'hard'; readonly hard: HardState }
  | { readonly kind: 'entry'; readonly bytes: Uint8Array }
  | { readonly kind: 'base'; readonly base: LogPoint }

const tags: Readonly<Record<Part['kind'], number>> = { hard: 1, entry: 2, base: 3 }
/** The tag and the length of the content. */
const partHeaderBytes = 5

export function recordOf(parts: readonly Part[]): Uint8Array {
  return Buffer.concat(
    parts.flatMap((part) => {
      const content = contentOf(part)
      const header = new Uint8Array(partHeaderBytes)
      header[0] = tags[part.kind]
      new DataView(header.buffer).setUint32(1, content.length, true)
      return [header, content]
    }),
  )
}

function contentOf(part: Part): Uint8Array {
  switch (part.kind) {
    case 'hard':
      return new TextEncoder().encode(JSON.stringify(part.hard))
    case 'entry':
      return part.bytes
    case 'base':
      return new TextEncoder().encode(JSON.stringify(part.base))
  }
}

/** Bytes of entries are views of the record. @throws Error that says what is wrong with it */
export function partsOf(record: Uint8Array): Part[] {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength)
  const parts: Part[] = []
  for (let offset = 0; offset < record.length; ) {
    const start = offset + partHeaderBytes
    const end = start + (start <= record.length ? view.getUint32(offset + 1, true) : 0)
    if (end > record.length) throw new Error('a part of a record goes beyond its end')
    parts.push(partOf(record[offset], record.subarray(start, end)))
    offset = end
  }
  return parts
}

function partOf(tag: number, content: Uint8Array): Part {
  switch (tag) {
    case tags.hard:
      return { kind: 'hard', hard: hardFrom(JSON.parse(textOf(content)) as Partial<HardState>) }
    case tags.entry:
      return { kind: 'entry', bytes: content }
    case tags.base:
      return { kind: 'base', base: baseFrom(JSON.parse(textOf(content)) as Partial<LogPoint>) }
    default:
      throw new Error(`a part of a record has the unknown tag ${tag}`)
  }
}

function hardFrom({ term, vote, epoch }: Partial<HardState>): HardState {
  if (isCount(term) && isCount(epoch) && (vote === null || typeof vote === 'string')) {
    return { term, vote, epoch }
  }
  throw new Error('a record of term, vote and epoch lacks one of them')
}

function baseFrom({ index, term }: Partial<LogPoint>): LogPoint {
  if (isCount(index) && isCount(term)) return { index, term }
  throw new Error('a record of where the log begins lacks its index or term')
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0
const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
