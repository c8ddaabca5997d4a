// Safetensors files on disk: written without copying the tensors, read straight into them.
import { type FileHandle, open } from 'node:fs/promises'
import { writeFileAtomically } from './atomic.js'
import {
  byName,
  bytesUnder,
  emptyTensor,
  encodeSafetensors,
  headerLength,
  parseHeader,
  SafetensorsError,
  type Tensor,
  type TensorFile,
} from './safetensors.js'
import { StoreError, storeError } from './store-error.js'

/** One read takes at most this much: the system's limit is 2 GiB. */
const pieceBytes = 16 * 2 ** 20

/** Writes a safetensors file atomically and durably. @throws StoreError */
export async function writeSafetensors(
  path: string,
  tensors: readonly Tensor[],
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  await writeFileAtomically(path, encodeSafetensors(tensors, metadata))
}

/** Reads a safetensors file whose header was checked first. @throws StoreError that says what is wrong with it */
export async function readSafetensors(path: string): Promise<TensorFile> {
  try {
    const handle = await open(path, 'r')
    try {
      return await readFrom(handle)
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw storeError('read', path, error)
    throw new StoreError(
      path,
      `${path} is not a safetensors file that can be read: ${error.message}`,
      'take another copy of the file; if a run wrote it, an older one may be beside it',
      { cause: error },
    )
  }
}

async function readFrom(handle: FileHandle): Promise<TensorFile> {
  const { size } = await handle.stat()
  const start = new Uint8Array(Math.min(8, size))
  await readAll(handle, start, 0)
  const header = new Uint8Array(headerLength(start, size))
  await readAll(handle, header, start.length)
  const dataStart = start.length + header.length
  const { metadata, spans } = parseHeader(header, size - dataStart)
  const tensors: Tensor[] = []
  for (const span of spans) {
    const tensor = emptyTensor(span)
    await readAll(handle, bytesUnder(tensor.data), dataStart + span.begin)
    tensors.push(tensor)
  }
  return { metadata, tensors: byName(tensors) }
}

/** Fills `bytes` from a place in the file. @throws SafetensorsError where the file ends before */
async function readAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const length = Math.min(pieceBytes, bytes.length - done)
    const { bytesRead } = await handle.read(bytes, done, length, position + done)
    if (bytesRead === 0) throw new SafetensorsError(`it ends at byte ${position + done}`)
    done += bytesRead
  }
}
