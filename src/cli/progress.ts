// Tells a waiting person that work goes on, once it takes more than a moment, and what went wrong meanwhile.
import { clean, duration } from '../observe/format.js'
import type { Io } from './io.js'

// What is done within a second needs no words.
const PATIENCE_MS = 1000

/** Runs `task`; on stderr, from the first second on, says what is being done, and on a terminal for how long. */
export async function withProgress<Result>(
  { stderr }: Pick<Io, 'stderr'>,
  doing: string,
  task: () => Promise<Result>,
): Promise<Result> {
  const live = stderr.isTTY === true
  const start = performance.now()
  let shown = false
  const timer = setInterval(() => {
    if (live) stderr.write(`\r${doing} ... ${duration(performance.now() - start)}`)
    else if (!shown) stderr.write(`${doing} ...\n`)
    shown = true
  }, PATIENCE_MS)
  try {
    return await task()
  } finally {
    clearInterval(timer)
    // Clears the line that was drawn over and over.
    if (live && shown) stderr.write('\r\u001b[2K')
  }
}

/** Writes warnings on stderr. */
export const warningOn =
  ({ stderr }: Pick<Io, 'stderr'>) =>
  (message: string): void => {
    stderr.write(`warning: ${clean(message)}\n`)
  }
