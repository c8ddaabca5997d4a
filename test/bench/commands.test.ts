// How the processes of a bench are started.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { torchCommand } from '../../src/bench/commands.js'
import { parseSize } from '../../src/bench/sizes.js'

const commandFor = (python: string, provider: 'cpu' | 'cuda' = 'cpu', device: number | null = null) =>
  torchCommand(python, parseSize('b'), 2, provider, device)

describe('The command that starts PyTorch', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skein bench '))
  const variable = 'CUDA_VISIBLE_DEVICES'
  const before = process.env[variable]
  after(() => {
    rmSync(folder, { recursive: true })
    if (before === undefined) delete process.env[variable]
    else process.env[variable] = before
  })

  it('runs the script of the package with the sizes of the model', () => {
    const {
      file,
      arguments: [script, ...rest],
    } = commandFor('python3')
    assert.equal(file, 'python3')
    assert.ok(script.endsWith('torch-step.py') && existsSync(script), script)
    const sizes = '--width=256 --layers=6 --heads=8 --head-size=32 --context=256 --batch=8 --vocabulary=4096'
    assert.equal(rest.join(' '), `${sizes} --threads=2 --device=cpu`)
  })

  it('may be a program with arguments of its own', () => {
    const { file, arguments: given } = commandFor('conda run -n torch python')
    assert.deepEqual([file, ...given.slice(0, 4)], ['conda', 'run', '-n', 'torch', 'python'])
  })

  it('may be a path with spaces', () => {
    const wrapper = join(folder, 'python')
    writeFileSync(wrapper, '')
    assert.equal(commandFor(wrapper).file, wrapper)
  })

  it('chooses among the GPUs that are visible to it', () => {
    process.env[variable] = '5,7'
    assert.deepEqual(commandFor('python3', 'cuda', 1).environment, { [variable]: '7' })
    delete process.env[variable]
    assert.deepEqual(commandFor('python3', 'cuda', 1).environment, { [variable]: '1' })
    assert.deepEqual(commandFor('python3', 'cuda').environment, {})
  })
})
