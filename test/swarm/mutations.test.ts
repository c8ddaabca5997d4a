// Whether the storms would notice: with any one safety rule switched off, some seed breaks a promise.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { packageRoot } from '../../src/platform/package-root.js'
import { type Mutant, mutants } from './mutants.js'

/** Most mutants are found within twenty seeds; without one, none of them breaks a promise. */
const mostSeeds = 150
/** At once: the machines on which this runs have two cores at least. */
const atOnce = 2

const compiled = fileURLToPath(new URL('../../src', import.meta.url))
const program = fileURLToPath(new URL('./mutant-storms.js', import.meta.url))
/** What a storm is made of. */
const layers = ['core', 'outer', 'platform', 'ports', 'simulate', 'swarmfile', 'tensor', 'wire']

describe('Storms', function () {
  this.timeout(120_000)
  const folder = mkdtempSync(join(tmpdir(), 'skein-mutants-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  symlinkSync(fileURLToPath(new URL('node_modules', packageRoot)), join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const found = limited(mutants.map((mutant, i) => () => brokenBy(mutant, join(folder, String(i)))))

  for (const [i, { rule }] of mutants.entries())
    it(`find out if this does not hold: ${rule}`, async () => {
      const broken = await found[i]
      assert.ok(broken !== null, `none of ${mostSeeds} seeds broke a promise`)
    })
})

/** Starts tasks in order, some of them at once. */
function limited<Result>(tasks: readonly (() => Promise<Result>)[]): Promise<Result>[] {
  const lanes: Promise<unknown>[] = Array.from({ length: atOnce }, () => Promise.resolve())
  return tasks.map((task, i) => {
    const result = lanes[i % atOnce].then(task)
    lanes[i % atOnce] = result.catch(() => {})
    return result
  })
}

async function brokenBy({ file, code, instead }: Mutant, copy: string): Promise<{ seed: number } | null> {
  for (const layer of layers) cpSync(join(compiled, layer), join(copy, layer), { recursive: true })
  const path = join(copy, 'core', file)
  const pieces = readFileSync(path, 'utf8').split(code)
  assert.equal(pieces.length, 2, `${file} holds this ${pieces.length - 1} times, not once: ${code}`)
  writeFileSync(path, pieces.join(instead))
  const { stdout } = await promisify(execFile)(process.execPath, [program, copy, '1', String(mostSeeds)])
  return JSON.parse(stdout)
}
