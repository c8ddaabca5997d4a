// What the thread that verifies chunks runs: hashes each, and writes those that are right to their files.
import { closeSync, openSync, writeSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import type { Hash } from '../../core/ids.js'
import { sha256 } from '../../platform/sha256.js'
import { asError } from '../errors.js'
import type { ChunkAnswer, ChunkCall, ChunkTask } from './chunk-thread.js'

/** Files that are written to, open. */
const files = new Map<string, number>()

parentPort?.on('message', (call: ChunkCall) => {
  if ('release' in call) return release(call.release)
  const { id, chunk } = call
  let answer: ChunkAnswer
  try {
    answer = { id, chunk, hash: take(call) }
  } catch (error) {
    answer = { id, chunk, error: asError(error) }
  }
  parentPort?.postMessage(answer, [chunk.buffer])
})

function take({ chunk, expected, path, position }: ChunkTask): Hash {
  const hash = sha256(chunk)
  if (hash !== expected) return hash
  const file = files.get(path) ?? openSync(path, 'r+')
  files.set(path, file)
  if (writeSync(file, chunk, 0, chunk.byteLength, position) < chunk.byteLength)
    throw new Error(`${path}: the disk took less than was given`)
  return hash
}

function release(path: string): void {
  const file = files.get(path)
  files.delete(path)
  if (file !== undefined) closeSync(file)
}
