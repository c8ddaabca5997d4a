// Checkpoints: the parameters of a version as named tensors, for sampling, evaluation, a warm start, other programs.
import { type Layout, viewOf } from '../tensor/layout.js'
import { sweepTemporary } from './atomic.js'
import type { Tensor, TensorFile } from './safetensors.js'
import { readSafetensors, writeSafetensors } from './safetensors-file.js'
import { StoreError } from './store-error.js'
import { ensureFolder, keepNewestVersions, listVersions, versionPath } from './versioned-files.js'

export interface CheckpointMetadata {
  readonly run: string
  readonly version: number
  /** The model's configuration, plain data. */
  readonly model: unknown
  readonly tokenizer: string
  /** Validation loss, nats per token; null when this version was not validated. */
  readonly loss: number | null
}

export interface Checkpoint {
  readonly theta: Float32Array
  /** Null for a safetensors file that another program wrote. */
  readonly metadata: CheckpointMetadata | null
}

/** Marks the files of this program; the number is that of the metadata's layout. */
const format = 'skein-1'

/**
 * Writes the checkpoint of a version and removes all but the newest `keep`.
 *
 * @returns its path
 * @throws StoreError
 */
export async function saveCheckpoint(
  folder: string,
  theta: Float32Array,
  layout: Layout,
  metadata: CheckpointMetadata,
  keep: number,
): Promise<string> {
  await ensureFolder(folder)
  await sweepTemporary(folder)
  const tensors = layout.tensors.map((placed): Tensor => {
    return { name: placed.name, shape: placed.shape, data: viewOf(theta, placed) }
  })
  const path = versionPath(folder, metadata.version)
  await writeSafetensors(path, tensors, {
    format,
    run: metadata.run,
    version: String(metadata.version),
    model: JSON.stringify(metadata.model),
    tokenizer: metadata.tokenizer,
    loss: JSON.stringify(metadata.loss),
  })
  await keepNewestVersions(folder, keep)
  return path
}

/** Path of the newest checkpoint in a folder; null where there is none. @throws StoreError */
export async function latestCheckpoint(folder: string): Promise<string | null> {
  const [newest] = await listVersions(folder)
  return newest?.path ?? null
}

/**
 * Reads parameters back into one flat buffer.
 *
 * @param layoutOf the layout expected, given what the file says of its model
 * @throws StoreError if the file is unreadable, or its tensors are not those of the layout
 */
export async function loadCheckpoint(
  path: string,
  layoutOf: (metadata: CheckpointMetadata | null) => Layout,
): Promise<Checkpoint> {
  const file = await readSafetensors(path)
  const metadata = metadataOf(path, file)
  const layout = layoutOf(metadata)
  const problem = mismatch(file, layout)
  if (problem !== null) {
    throw new StoreError(
      path,
      `${path} holds another model: ${problem}`,
      'use the model configuration that it was trained with (run.model in the swarm file)',
    )
  }
  const theta = new Float32Array(layout.size)
  for (const { name, offset } of layout.tensors) theta.set(file.tensors.get(name)!.data, offset)
  return { theta, metadata }
}

function metadataOf(path: string, { metadata }: TensorFile): CheckpointMetadata | null {
  if (metadata.get('format') !== format) return null
  try {
    return {
      run: metadata.get('run') ?? '',
      version: Number(metadata.get('version')),
      model: JSON.parse(metadata.get('model') ?? ''),
      tokenizer: metadata.get('tokenizer') ?? '',
      loss: JSON.parse(metadata.get('loss') ?? ''),
    }
  } catch (cause) {
    throw new StoreError(
      path,
      `the metadata of ${path} cannot be read: ${(cause as Error).message}`,
      'take an older checkpoint of the run',
      { cause },
    )
  }
}

/** How a file's tensors differ from a layout, in words; null if they do not. */
function mismatch({ tensors }: TensorFile, layout: Layout): string | null {
  for (const { name, shape } of layout.tensors) {
    const tensor = tensors.get(name)
    if (tensor === undefined) return `it has no tensor ${name}`
    if (!(tensor.data instanceof Float32Array)) return `its tensor ${name} is not F32`
    if (tensor.shape.join() !== shape.join()) {
      return `its tensor ${name} has shape [${tensor.shape.join(', ')}], not [${shape.join(', ')}]`
    }
  }
  const expected = new Set(layout.tensors.map(({ name }) => name))
  const extra = [...tensors.keys()].find((name) => !expected.has(name))
  return extra === undefined ? null : `its tensor ${extra} has no place in this model`
}
