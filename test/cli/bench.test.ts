// `skein bench engine` in real processes, beside a Python that only pretends.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { engineRowSchema } from '../../src/bench/engine-row.js'
import { reportSchema } from '../../src/bench/report.js'
import { answer } from './answers.js'
import { realMain, run, start, Workplace } from './processes.js'

const fakePython = `${process.execPath} ${fileURLToPath(new URL('../bench/fake-torch.js', import.meta.url))}`
const schema = reportSchema('engine', engineRowSchema)
const small = ['bench', 'engine', '--size', 'nano', '--threads', '1', '--steps', '1']

describe('skein bench engine', function () {
  // Each row starts a handful of processes.
  this.timeout(60_000)
  const place = new Workplace()
  after(() => place.remove())
  const skein = (args: readonly string[], env?: NodeJS.ProcessEnv) => run(realMain, args, place.folder, env)

  it('prints one document, with PyTorch measured beside the engine and the step saved', async () => {
    const files = ['--dump', 'step.onnx', '--out', 'bench.json']
    const { code, stdout, stderr } = await skein([
      ...small,
      '--json',
      ...files,
      '--against',
      'torch',
      '--python',
      fakePython,
    ])
    assert.deepEqual([code, stderr], [0, ''])
    const { machine, rows } = schema.parse(JSON.parse(stdout))
    assert.equal(machine.torch, '9.9.9 (FakeBLAS, fake)')
    assert.match(machine.onnxruntime!, /^\d+\.\d+\.\d+/)
    const [row] = rows
    assert.equal(rows.length, 1)
    assert.deepEqual([row.engine, row.size, row.threads, row.steps], ['onnx-cpu', 'nano', 1, 1])
    assert.deepEqual([row.failure, row.void], [null, null])
    assert.ok(row.msPerStep! > 0 && row.gflops! > 0 && row.sgemmShare! > 0 && row.sgemmShare! < 1)
    assert.ok(row.peakBytes! > 3e7, `${row.peakBytes}`)
    assert.equal(row.torchPeakBytes, 12345)
    // The pretender says 1000 and 1001 ms; the first step of a turn is not counted.
    assert.equal(row.torchMsPerStep, 1001)
    assert.equal(row.ratioToTorch, 1001 / row.msPerStep!)
    assert.equal(readFileSync(join(place.folder, 'bench.json'), 'utf8'), stdout)
    assert.match(readFileSync(join(place.folder, 'step.onnx'), 'latin1'), /skein/)
  })

  it('prints a table that marks what says nothing', async () => {
    const env = { FAKE_TORCH: 'slow-products' }
    const { code, stdout, stderr } = await skein(
      [...small, '--against', 'torch', '--python', fakePython],
      env,
    )
    assert.equal(code, 0)
    assert.match(stderr, /^onnx-cpu: .*\n1 of 1: onnx-cpu, size nano, 1 thread\n$/)
    assert.match(stdout, /^engine +size +threads +ms\/step .* of torch$/m)
    assert.match(stdout, /^onnx-cpu +nano +1 .*\*$/m)
    assert.match(stdout, /^\* onnx-cpu, nano, 1: void, .*below 90 %/m)
    assert.match(stdout, /size nano: 34\.7k parameters, 8 sequences of 32, vocabulary 256/)
  })

  it('keeps a row that fails, with its reason and no figures', async () => {
    const env = { FAKE_TORCH: 'dies' }
    const { code, stdout } = await skein(
      [...small, '--json', '--against', 'torch', '--python', fakePython],
      env,
    )
    assert.equal(code, 7)
    const [row] = schema.parse(JSON.parse(stdout)).rows
    assert.match(row.failure!, /PyTorch .*out of cheese/)
    assert.equal(row.msPerStep, null)
  })

  const moments = [
    { when: 'while it looks for what there is', mode: 'unready', processes: 1 },
    // Of the probe before the row, of the row's steps, and of its products.
    { when: 'in the midst of a row', mode: 'silent', processes: 3 },
  ]
  for (const { when, mode, processes } of moments)
    it(`ends all that it started on an interruption ${when}`, async () => {
      const server = createServer()
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const env = { FAKE_TORCH: mode, FAKE_PORT: String((server.address() as AddressInfo).port) }
      const connections: Socket[] = []
      const atWork = new Promise<void>((resolve) => {
        server.on('connection', (socket) => {
          socket.on('error', () => {}).resume()
          if (connections.push(socket) === processes) resolve()
        })
      })
      const { process: bench, ended } = start(
        realMain,
        [...small, '--json', '--against', 'torch', '--python', fakePython],
        place.folder,
        env,
      )
      await Promise.race([atWork, ended])
      const gone = Promise.all(connections.map(async (socket) => socket.closed || once(socket, 'close')))
      bench.kill('SIGINT')
      const { code, stdout, stderr } = await ended
      await gone
      server.close()
      assert.deepEqual([code, stdout, stderr, connections.length], [130, '', '', processes])
    })

  it('explains each option with an example', async () => {
    const { code, stdout } = await answer(['bench', 'engine', '--help'])
    assert.equal(code, 0)
    const text = stdout.replace(/\s+/g, ' ')
    for (const option of ['size', 'threads', 'engine', 'steps', 'against', 'python', 'dump', 'device', 'out'])
      assert.match(text, new RegExp(`--${option} <[^>]+> [^<]*example: --${option} `), option)
    assert.match(text, /Example: skein bench engine /)
  })

  const mistakes: readonly [string, string[], number, RegExp][] = [
    ['an unknown bench', ['bench', 'engin'], 2, /unknown command 'engin'\nwhat to do: Did you mean engine\?/],
    ['an unknown size', [...small, '--size', 'a,mico'], 2, /no size mico\nwhat to do: did you mean micro\?/],
    ['an unknown engine', [...small, '--engine', 'onx'], 2, /no engine onx\nwhat to do: /],
    ['a count that is none', [...small, '--threads', '1,x'], 2, /--threads .*whole number of at least 1/],
    ['no steps', [...small, '--steps', '0'], 2, /--steps .*whole number of at least 1/],
    ['another rival', [...small, '--against', 'jax'], 2, /--against .*Allowed choices are torch/],
    [
      'a file in no folder',
      [...small, '--out', 'no/bench.json'],
      8,
      /there is no folder no for no\/bench\.json/,
    ],
    [
      'a Python for nothing',
      [...small, '--python', 'python3'],
      2,
      /--python .*\nwhat to do: .*--against torch/,
    ],
    [
      'a Python without a name',
      [...small, '--against', 'torch', '--python', ' '],
      2,
      /--python .*Expected a command/,
    ],
    ['a GPU for the CPU', [...small, '--device', '1'], 2, /--device 1 means nothing to onnx-cpu/],
    [
      'a Python that is none',
      [...small, '--against', 'torch', '--python', '/nowhere/python'],
      7,
      /PyTorch in \/nowhere\/python does not start/,
    ],
  ]
  for (const [what, args, expected, message] of mistakes)
    it(`answers ${what} with exit code ${expected}, a reason and no stack`, async () => {
      const { code, stdout, stderr } = await answer(args)
      assert.match(stderr, message)
      assert.deepEqual([code, stdout], [expected, ''])
      assert.doesNotMatch(stderr, /^\s+at /m)
    })

  it('refuses a PyTorch that is not there before anything is measured', async () => {
    const given = [...small, '--against', 'torch', '--python', fakePython]
    const { code, stdout, stderr } = await skein(given, { FAKE_TORCH: 'missing' })
    assert.deepEqual([code, stdout], [7, ''])
    assert.match(stderr, /error: PyTorch in .*: torch does not load.*\nwhat to do: .*--python/)
    assert.doesNotMatch(stderr, /1 of 1/)
  })
})
