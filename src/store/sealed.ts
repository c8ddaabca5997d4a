// Safetensors files with a seal, SHA-256 over names, shapes, metadata and data: a flipped bit is noticed, which the
// bare format would not.
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { canonicalJson } from '../swarmfile/canonical-json.js'
import { bytesUnder, type Tensor, type TensorFile } from './safetensors.js'
import { readSafetensors, writeSafetensors } from './safetensors-file.js'
import { StoreError } from './store-error.js'

const sealKey = 'sha256'
/** Hashed without a pause: about a millisecond, so that the thread goes on answering the network. */
const hashedAtOnceBytes = 2 ** 20

/** @throws StoreError */
export async function writeSealed(
  path: string,
  tensors: readonly Tensor[],
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const seal = await sealOf(tensors, metadata)
  await writeSafetensors(path, tensors, { ...metadata, [sealKey]: seal })
}

/** @throws StoreError if the file cannot be read, is malformed, or does not match its seal */
export async function readSealed(path: string): Promise<TensorFile> {
  const file = await readSafetensors(path)
  const { [sealKey]: seal, ...metadata } = Object.fromEntries(file.metadata)
  if (seal === (await sealOf([...file.tensors.values()], metadata))) return file
  throw new StoreError(
    path,
    `${path} is damaged: its content does not match its checksum`,
    'check the disk; then remove the file and continue with --resume',
  )
}

/** Independent of the order of tensors, which the format may change. */
async function sealOf(
  tensors: readonly Tensor[],
  metadata: Readonly<Record<string, string>>,
): Promise<string> {
  const ordered = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1))
  const shapes = ordered.map(({ name, shape, data }) => [name, shape, data.byteLength])
  const hash = createHash('sha256').update(canonicalJson([metadata, shapes]))
  for (const { data } of ordered) {
    const bytes = bytesUnder(data)
    for (let start = 0; start < bytes.length; start += hashedAtOnceBytes) {
      hash.update(bytes.subarray(start, start + hashedAtOnceBytes))
      if (start + hashedAtOnceBytes < bytes.length) await setImmediate()
    }
  }
  return hash.digest('hex')
}
