// Ctrl-C and its relatives, counted the way a person means them.

// npm passes on the terminal's SIGINT, so one Ctrl-C may arrive twice; a person's second comes later.
const SAME_KEY_MS = 400

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** By convention a process ended by signal n exits with 128 + n; SIGINT is 2. */
export const INTERRUPTED = 130

/** Calls `handler` with 1 for the first interruption, 2 for the second and so on. Returns how to stop listening. */
export function onInterrupt(handler: (times: number) => void, sameKeyMs = SAME_KEY_MS): () => void {
  let times = 0
  let last = Number.NEGATIVE_INFINITY
  const listener = () => {
    const now = performance.now()
    if (now - last < sameKeyMs) return
    last = now
    times++
    handler(times)
  }
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}
