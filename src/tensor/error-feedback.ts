// Error feedback: what coding a pseudo-gradient loses stays with its worker, and is sent with the next one.
//
// The law: whatever verdicts come, and in whatever order,
//   decoded values of the applied rounds + residual = pseudo-gradients of the applied rounds,
// but for fp32 rounding, where a round whose verdict is not known yet counts as applied. A round adds `g - sent` to the
// residual, `after = before + g - sent`. If it is refused, neither its `g` nor what it sent counts, and just that is
// taken away again: `residual - (after - before)`. What it had sent for rounds before it thereby is in the residual
// again, once; and what its successors sent of its own loss is owed back. For the newest round this is `before`.
//
// Where the run has fragments, a round sends one of them, and all of what it moved in the others is in the residual like
// the rest of what was not sent: a fragment's turn comes.
import type { Codec } from './blocks.js'
import { type Fragment, lengthOf, wholeVector } from './fragments.js'
import { firstNonFinite, norm } from './vector.js'

/** What coding a round's pseudo-gradient made of the residual. */
export interface Residual {
  /** All that was lost until then. */
  readonly before: Float32Array
  /** All that is lost now: counts if the round is applied, and as long as that is not known. */
  readonly after: Float32Array
}

export interface Compressed {
  readonly payload: Uint8Array
  /** Null where nothing was lost, then or before. */
  readonly residual: Residual | null
  /** Euclidean norm of the decoded values. */
  readonly norm: number
}

/**
 * Codes a pseudo-gradient together with what was lost before.
 *
 * @param g must be finite
 * @param before null if nothing was ever lost
 * @param fragment that is sent
 * @throws Error if both together are not finite
 */
export function compress(
  g: Float32Array,
  before: Float32Array | null,
  codec: Codec,
  fragment: Fragment = wholeVector(g),
): Compressed {
  const { start, end } = fragment
  if (before === null && codec.name === 'fp32' && lengthOf(fragment) === g.length) {
    return { payload: codec.encode(g), residual: null, norm: norm(g) }
  }
  const lost = before ?? new Float32Array(g.length)
  const whole = new Float32Array(g.length)
  for (let i = 0; i < g.length; i++) whole[i] = g[i] + lost[i]
  const bad = firstNonFinite(whole)
  if (bad >= 0) throw new Error(`with what was lost before it is ${whole[bad]} at parameter ${bad}`)
  const payload = codec.encode(whole.subarray(start, end))
  const sent = codec.decode(payload, lengthOf(fragment))
  for (let i = start; i < end; i++) whole[i] -= sent[i - start]
  return { payload, residual: { before: lost, after: whole }, norm: norm(sent) }
}

/** The residual once a round that counted as applied is known not to be. The vectors given stay as they are. */
export function withoutRound(residual: Float32Array, { before, after }: Residual): Float32Array {
  if (residual === after) return before
  const rest = new Float32Array(residual.length)
  for (let i = 0; i < rest.length; i++) rest[i] = residual[i] - (after[i] - before[i])
  return rest
}

/**
 * Where a worker stood after a round that began at `start`: `start - g`, and not what the server makes of the payload.
 * The worker's AdamW state and its next steps belong to the place that it reached; `g - sent` is in the residual and
 * would be sent a second time if the next round had to make up for it.
 *
 * @param residual of the round; `g` is what was sent and what was lost
 */
export function positionAfter(
  start: Float32Array,
  sent: Float32Array,
  residual: Residual | null,
): Float32Array {
  const end = new Float32Array(start.length)
  if (residual === null) for (let i = 0; i < end.length; i++) end[i] = start[i] - sent[i]
  else {
    const { before, after } = residual
    for (let i = 0; i < end.length; i++) end[i] = start[i] - (sent[i] + (after[i] - before[i]))
  }
  return end
}

/**
 * Takes values away from a position, in place. A worker of a run with fragments stands at theta less its residual, and
 * less what it sent of own contributions that theta lacks: if it went on without what it moved and has not sent, it would
 * move the same once more. Where the outer step takes what is sent as it is, this is where its latest round ended.
 *
 * @param from the first of the position that is changed
 */
export function takeAway(position: Float32Array, values: Float32Array, from = 0): void {
  for (let i = 0; i < values.length; i++) position[from + i] -= values[i]
}
