// Mixing (Streaming DiLoCo, arXiv 2501.18512): where a worker takes in a fragment's new theta it keeps a share of its own
// place, x = alpha x_local + (1 - alpha) theta. Alpha weighs the LOCAL model: 0 takes theta as it is, 1 would never
// take anything in. Apart from these moments the worker goes with theta, so that what remains of its own place is a
// vector of its own, the drift: x = theta - what it moved and has not sent - drift. It is never sent.

/** Where a worker stood when its latest round ended, and the drift with which that round began. */
export interface Standing {
  readonly end: Float32Array
  readonly drift: Float32Array
}

/**
 * Takes the drift away from a position, in place, and sets it anew where theta is taken in. All are of one stretch.
 *
 * @param position as it would be without any drift
 * @param end where the worker stood when its latest round ended; null where nothing is taken in
 */
export function mixIn(
  position: Float32Array,
  drift: Float32Array,
  end: Float32Array | null,
  alpha: number,
): void {
  for (let i = 0; i < position.length; i++) {
    if (end !== null) drift[i] = alpha * (position[i] - end[i])
    position[i] -= drift[i]
  }
}
