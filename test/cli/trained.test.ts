// `skein sample` and `skein eval` on a made checkpoint, in real processes.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { resolveModel } from '../../src/model/config.js'
import { initialParameters, layoutOf } from '../../src/model/parameters.js'
import { saveCheckpoint } from '../../src/store/checkpoints.js'
import { runPaths } from '../../src/store/run-paths.js'
import { modelSchema } from '../../src/swarmfile/schema.js'
import { realMain, run, Workplace } from './processes.js'

describe('A trained model on the command line', () => {
  const place = new Workplace()
  after(() => place.remove())
  const skein = (...args: string[]) => run(realMain, args, place.folder)

  before(async () => {
    const choice = modelSchema.parse({ preset: 'nano' })
    const model = resolveModel(choice, 256)
    const metadata = {
      run: 'made',
      version: 7,
      model: { ...choice, vocabulary: 256 },
      tokenizer: 'byte',
      loss: null,
    }
    const { checkpoints } = runPaths(join(place.folder, 'made'))
    await saveCheckpoint(checkpoints, initialParameters(model, 1), layoutOf(model), metadata, 1)
    writeFileSync(join(place.folder, 'text.txt'), 'A goose flew over the lake. '.repeat(100))
    writeFileSync(join(place.folder, 'short.txt'), 'A goose.')
    writeFileSync(join(place.folder, 'other.safetensors'), 'no tensors')
  })

  it('continues a prompt, the same for the same seed', async () => {
    const [first, second, other] = await Promise.all(
      ['3', '3', '4'].map((seed) => skein('sample', 'made', 'Once', '--length', '12', '--seed', seed)),
    )
    assert.equal(first.code, 0, first.stderr)
    assert.match(first.stdout, /^Once/)
    assert.equal(first.stdout, second.stdout)
    assert.notEqual(first.stdout, other.stdout)
  })

  it('is measured in nats per token, perplexity and bits per byte that agree', async () => {
    const { code, stdout, stderr } = await skein('eval', 'made', '--corpus', 'text.txt')
    assert.equal(code, 0, stderr)
    const figure = (name: string) => Number(new RegExp(`${name} +([\\d.]+)`).exec(stdout)?.[1])
    // Before training all 256 bytes are about equally likely.
    assert.ok(Math.abs(figure('loss') - Math.log(256)) < 0.1, stdout)
    assert.ok(Math.abs(figure('bits per byte') - figure('loss') / Math.LN2) < 2e-3, stdout)
    assert.ok(Math.abs(Math.log(figure('perplexity')) - figure('loss')) < 2e-3, stdout)
  })

  const mistakes: readonly [string, string[], number, RegExp][] = [
    ['a run without a checkpoint', ['sample', '.', 'x'], 8, /has no checkpoint yet/],
    ['a file that is no checkpoint', ['sample', 'other.safetensors', 'x'], 8, /other\.safetensors/],
    ['an empty prompt', ['sample', 'made', ''], 2, /the prompt is empty/],
    ['a temperature that is none', ['sample', 'made', 'x', '--temperature', 'hot'], 2, /--temperature/],
    ['a corpus that is not there', ['eval', 'made', '--corpus', 'nowhere'], 4, /nowhere/],
    [
      'a corpus shorter than a sequence',
      ['eval', 'made', '--corpus', 'short.txt'],
      4,
      /8 tokens, fewer than one sequence of 33/,
    ],
    [
      'an unknown engine',
      ['eval', 'made', '--corpus', 'text.txt', '--engine', 'steam'],
      2,
      /no engine steam/,
    ],
  ]
  for (const [what, args, expected, message] of mistakes)
    it(`answers ${what} with exit code ${expected} and a remedy`, async () => {
      const { code, stdout, stderr } = await skein(...args)
      assert.match(stderr, message)
      assert.match(stderr, /\nwhat to do: /)
      assert.equal(code, expected)
      assert.equal(stdout, '')
    })
})
