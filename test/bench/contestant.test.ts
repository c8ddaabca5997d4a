// What the bench makes of a process that it measures, however that behaves.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { torchCommand } from '../../src/bench/commands.js'
import { type Command, Contestant } from '../../src/bench/contestant.js'
import { torchReadySchema } from '../../src/bench/messages.js'
import { parseSize } from '../../src/bench/sizes.js'
import type { UserError } from '../../src/core/user-error.js'

const fake = fileURLToPath(new URL('./fake-torch.js', import.meta.url))

function command(mode: string, changes: Partial<Command> = {}): Command {
  const real = torchCommand(`${process.execPath} ${fake}`, parseSize('nano'), 1, 'cpu', 0)
  return { ...real, environment: { ...real.environment, FAKE_TORCH: mode }, ...changes }
}

async function start(mode: string, changes: Partial<Command> = {}, signal = new AbortController().signal) {
  return Contestant.start(command(mode, changes), torchReadySchema, signal)
}

async function failing(mode: string, ask: (contestant: Contestant) => Promise<unknown>, expected: RegExp) {
  const { contestant } = await start(mode)
  try {
    await assert.rejects(ask(contestant), expected)
  } finally {
    await contestant.end()
  }
}

describe('A measured process', () => {
  it('answers steps, products and memory, whatever else is printed', async () => {
    const { contestant, ready } = await start('chatty')
    assert.equal(ready.torch, '9.9.9')
    assert.deepEqual(await contestant.steps(3), [1000, 1001, 1002])
    assert.equal(await contestant.sgemm(64), 1e6)
    assert.equal(await contestant.peakBytes(), 12345)
    await contestant.end()
  })

  it('is given up with its own words when it says what is wrong', () =>
    assert.rejects(start('missing'), (error: UserError) => {
      assert.match(error.message, /PyTorch in .*: torch does not load: No module named 'torch'/)
      assert.match(error.remedy, /--python/)
      return true
    }))

  it('is given up with the reason when its program does not exist', () =>
    assert.rejects(start('', { file: '/nowhere/python' }), /PyTorch in .* does not start: .*ENOENT/))

  it('is given up with its last words when it dies', () =>
    failing(
      'dies',
      (contestant) => contestant.steps(1),
      /ended before it answered \(exit code 3\): out of cheese/,
    ))

  it('is given up when it answers fewer steps than asked for', () =>
    failing('short', (contestant) => contestant.steps(3), /answers 3 steps with 2 times/))

  it('is given up when its answer is of another kind', () =>
    failing('nonsense', (contestant) => contestant.peakBytes(), /answers what was not asked: .*much/))

  describe('that is at work', () => {
    const server = createServer()
    let port = ''
    before(async () => {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      port = String((server.address() as AddressInfo).port)
    })
    after(() => server.close())

    /** Its connection ends when the process does. */
    async function working(file?: string, args?: readonly string[]) {
      const abort = new AbortController()
      const environment = { FAKE_TORCH: 'silent', FAKE_PORT: port }
      const given = file === undefined ? {} : { file, arguments: args }
      const connected = once(server, 'connection') as Promise<[Socket]>
      const { contestant } = await start('silent', { environment, ...given }, abort.signal)
      const [socket] = await connected
      socket.on('error', () => {})
      const gone = once(socket.resume(), 'close')
      return { abort, contestant, gone, answer: contestant.steps(1) }
    }

    it('ends, and its answer fails with the reason, when the bench is aborted', async () => {
      const { abort, contestant, gone, answer } = await working()
      abort.abort(new Error('enough'))
      await assert.rejects(answer, /enough/)
      await gone
      await contestant.end()
    })

    it('ends together with the process that its wrapper started', async function () {
      if (process.platform === 'win32') this.skip()
      const { contestant, gone, answer } = await working('/bin/sh', [
        '-c',
        '"$@"; true',
        'sh',
        process.execPath,
        fake,
      ])
      const failed = assert.rejects(answer, /SIGKILL/)
      await contestant.end()
      await Promise.all([gone, failed])
    })
  })
})
