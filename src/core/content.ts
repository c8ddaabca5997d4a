// How content is named: by the SHA-256 over its size and the SHA-256s of its chunks. Whoever knows a name can check a list
// of chunks against it, and then every chunk by itself, from whomever it comes.
import type { Hash, Sha256 } from './ids.js'

/** Smallest chunk; 256 KiB to 1 MiB crossed a gossip mesh fastest, and 10 Mbit/s carry 256 KiB in 200 ms. */
export const CHUNK_BYTES = 256 * 1024
/** Largest chunk: a gossip message over 4 MiB is lost, and its envelope and signature need room. */
export const MAX_CHUNK_BYTES = 2 * 1024 * 1024
/** Most chunks of one content: 66 bytes each, so that their list fits in a control message. */
export const MAX_CHUNKS = 768

/** Bytes per chunk of content of this size: doubled until its hashes fit in a control message. */
export function chunkBytesOf(bytes: number): number {
  let chunkBytes = CHUNK_BYTES
  while (bytes > chunkBytes * MAX_CHUNKS) chunkBytes *= 2
  return chunkBytes
}

/** How many chunks content of this size has. */
export const chunkCountOf = (bytes: number): number => Math.ceil(bytes / chunkBytesOf(bytes))

/** Views of the chunks of some bytes, in order; the last may be shorter. */
export function cut(content: Uint8Array, chunkBytes = chunkBytesOf(content.byteLength)): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let start = 0; start < content.byteLength; start += chunkBytes) {
    chunks.push(content.subarray(start, start + chunkBytes))
  }
  return chunks
}

/** The name of content of this size with these chunks: the hash of a text of one line for the size and each chunk. */
export function nameOfChunks(bytes: number, chunks: readonly Hash[], sha256: Sha256): Hash {
  return sha256(new TextEncoder().encode([bytes, ...chunks].join('\n')))
}

/** The name of content. */
export function nameOf(content: Uint8Array, sha256: Sha256): Hash {
  return nameOfChunks(content.byteLength, cut(content).map(sha256), sha256)
}
