// Run as a process of its own, against a copy of the compiled code: storms from a seed on until a promise is broken.
// Prints the seed and what was broken, or null.
import { pathToFileURL } from 'node:url'

const [source, first, most] = process.argv.slice(2)
const { storm } = (await import(
  pathToFileURL(`${source}/simulate/storm.js`).href
)) as typeof import('../../src/simulate/storm.js')

let found: { seed: number; broken: string } | null = null
for (let seed = Number(first); seed < Number(first) + Number(most) && found === null; seed++) {
  const { broken } = storm(seed)
  if (broken !== null) found = { seed, broken }
}
console.log(JSON.stringify(found))
