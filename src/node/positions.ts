// Where a worker of a run with fragments begins a round: reckoned in slices, so that the thread does other work in
// between.
import type { Codec } from '../tensor/codec.js'
import { takeAway } from '../tensor/error-feedback.js'
import { type Fragment, fragmentAt, lengthOf } from '../tensor/fragments.js'
import { mixIn, type Standing } from '../tensor/mixing.js'
import { copiedVector, inSlices } from './slices.js'

/** An own contribution that is in the residual as if it were applied, but not in theta. */
export interface Lacking {
  readonly payload: Uint8Array
  readonly codec: Codec
  readonly fragment: Fragment
}

/** Where this worker stands if it goes on from theta with all that it moved and did not send. */
export async function carriedOn(
  theta: Float32Array,
  residual: Float32Array | null,
  lacking: readonly Lacking[],
): Promise<Float32Array> {
  const position = await copiedVector(theta)
  if (residual !== null)
    await inSlices(position.length, (from, to) => takeAway(position, residual.subarray(from, to), from))
  for (const { payload, codec, fragment } of lacking)
    await inSlices(lengthOf(fragment), (from, to) => {
      const slice = payload.subarray(codec.encodedBytes(from), codec.encodedBytes(to))
      takeAway(position, codec.decode(slice, to - from), fragment.start + from)
    })
  return position
}

/**
 * Takes the drift away from a position, in place.
 *
 * @param standing after the latest round; null before the first
 * @param takenIn fragments whose new theta is in the position, and was not in the latest round's
 * @returns the drift from now on
 */
export async function mixed(
  position: Float32Array,
  standing: Standing | null,
  takenIn: ReadonlySet<number>,
  { count, mixing }: { readonly count: number; readonly mixing: number },
): Promise<Float32Array> {
  const drift = standing === null ? new Float32Array(position.length) : await copiedVector(standing.drift)
  for (let index = 0; index < count; index++) {
    const { start, end } = fragmentAt(position.length, count, index)
    const stood = takenIn.has(index) ? (standing?.end ?? null) : null
    await inSlices(end - start, (from, to) => {
      const at = (values: Float32Array) => values.subarray(start + from, start + to)
      mixIn(at(position), at(drift), stood && at(stood), mixing)
    })
  }
  return drift
}
