// Which tokens a local step reads: a function of the seed, the shard and the position on it, so that any
// worker can take a shard up where another left it.
import { UserError } from '../core/user-error.js'
import { hash32, permute, stream, uniform } from './random.js'

/** A contiguous part of the training tokens. */
interface Shard {
  readonly start: number
  readonly length: number
}

function shardAt(tokens: number, index: number, shards: number): Shard {
  const start = Math.floor((tokens * index) / shards)
  return { start, length: Math.floor((tokens * (index + 1)) / shards) - start }
}

/**
 * Sizes |D_i| of all shards in sequences of `context` predicted tokens.
 *
 * @param tokens number of training tokens
 * @throws UserError if a shard is shorter than one sequence
 */
export function shardSizes(tokens: number, shards: number, context: number): number[] {
  return Array.from({ length: shards }, (_, index) => {
    const { length } = shardAt(tokens, index, shards)
    if (length <= context) throw tooShort(tokens, shards, context)
    return Math.floor(length / context)
  })
}

function tooShort(tokens: number, shards: number, context: number): UserError {
  const most = Math.floor(tokens / (context + 1))
  return new UserError(
    'data',
    `${tokens} training tokens in ${shards} shards leave a shard shorter than one sequence of ${context + 1} tokens`,
    most >= 1
      ? `use at most ${most} shards (run.data.shards), a larger corpus, or a shorter context (run.model.context)`
      : 'use a larger corpus, or a shorter context (run.model.context)',
  )
}

/**
 * The batch of one local step, [batch, context + 1] token ids, row by row; a row's last `context` tokens are
 * the targets of its first `context`.
 *
 * Every epoch cuts the shard into windows afresh, from a random offset, and visits each once, in random order.
 * The shard is read as a ring, so that no token is nearer an edge, and read less often, than another.
 *
 * @param position local steps taken on the shard before this one
 * @throws UserError if the shard is shorter than one sequence
 */
export function batchOf(
  tokens: Uint16Array,
  shardIndex: number,
  shards: number,
  batch: number,
  context: number,
  position: number,
  seed: number,
): Int32Array {
  const { start, length } = shardAt(tokens.length, shardIndex, shards)
  if (length <= context) throw tooShort(tokens.length, shards, context)
  const windows = Math.floor(length / context)
  const ids_BT1 = new Int32Array(batch * (context + 1))
  for (let row = 0; row < batch; row++) {
    const point = position * batch + row
    const epoch = Math.floor(point / windows)
    const offset = Math.floor(uniform(seed, stream.dataOffset, shardIndex, epoch) * length)
    const order = hash32(seed, stream.dataOrder, shardIndex, epoch)
    const first = offset + permute(point % windows, windows, order) * context
    for (let t = 0; t <= context; t++) {
      ids_BT1[row * (context + 1) + t] = tokens[start + ((first + t) % length)]
    }
  }
  return ids_BT1
}

/**
 * Batches of the held-out part, each [rows, context + 1], spread evenly over it and always the same. No two
 * sequences share a target. A small part gives fewer batches; one too small for a single batch gives one batch
 * with fewer rows.
 *
 * @throws UserError if the part is shorter than one sequence
 */
export function heldOutBatches(
  tokens: Uint16Array,
  batch: number,
  context: number,
  batches: number,
): Int32Array[] {
  const windows = Math.floor((tokens.length - 1) / context)
  if (windows < 1) {
    throw new UserError(
      'data',
      `the held-out part has ${tokens.length} tokens, fewer than one sequence of ${context + 1}`,
      'use a larger corpus, a larger held-out share (run.data.heldOut), or a shorter context (run.model.context)',
    )
  }
  const rows = Math.min(batch, windows)
  const count = Math.min(batches, Math.floor(windows / rows))
  const sequences = rows * count
  return Array.from({ length: count }, (_, index) => {
    const ids_BT1 = new Int32Array(rows * (context + 1))
    for (let row = 0; row < rows; row++) {
      const window = Math.floor(((index * rows + row) * windows) / sequences)
      const first = window * context
      ids_BT1.set(tokens.subarray(first, first + context + 1), row * (context + 1))
    }
    return ids_BT1
  })
}
