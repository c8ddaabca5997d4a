// Finds what was probably meant by a mistyped word.
import { distance } from 'fastest-levenshtein'
import { allPaths, dotted, keysAt, type Path } from './schema-keys.js'

/** The candidate nearest to `word`, or null when none is near enough to be a slip of the hand. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  // A third of the letters wrong is still recognisable; more is another word.
  const limit = Math.max(2, Math.floor(word.length / 3))
  let best: string | null = null
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    const d = distance(word.toLowerCase(), candidate.toLowerCase())
    if (d < bestDistance) {
      best = candidate
      bestDistance = d
    }
  }
  return best
}

/** What to write instead of the unknown key at `path`, as half a sentence. */
export function suggestKey(path: Path): string {
  const word = String(path.at(-1))
  const siblings = keysAt(path.slice(0, -1))
  const near = nearest(word, siblings)
  if (near !== null) return `did you mean ${dotted([...path.slice(0, -1), near])}?`
  const elsewhere = allPaths().find((other) => String(other.at(-1)).toLowerCase() === word.toLowerCase())
  if (elsewhere !== undefined) return `that key belongs at ${dotted(elsewhere)}`
  return `valid here: ${siblings.join(', ')}`
}
