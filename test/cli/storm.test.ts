// `skein storm` in a real process.
import assert from 'node:assert/strict'
import { realMain, run, start, Workplace } from './processes.js'

describe('skein storm', () => {
  const place = new Workplace()
  after(() => place.remove())
  const skein = (...args: readonly string[]) => run(realMain, ['storm', ...args], place.folder)

  it('says what was exercised, and that no promise was broken', async () => {
    const { code, stdout, stderr } = await skein('--seeds', '10')
    assert.deepEqual([code, stderr], [0, '10 storms from seed 1\n'])
    assert.match(stdout, /^entry: admit \d+, apply \d+, assign \d+, /m)
    assert.match(stdout, /^10 storms, [\d.]+k events, .* of virtual time, in .* events\/s$/m)
    assert.match(stdout, /^no promise was broken$/m)
  })

  it('prints one document for scripts, the same for the same seeds', async () => {
    const [first, again] = await Promise.all([
      skein('--seeds', '3', '--from', '7', '--json'),
      skein('--seeds', '3', '--from', '7', '--json'),
    ])
    assert.deepEqual([first.code, first.stderr], [0, ''])
    assert.equal(first.stdout, again.stdout)
    const { seeds, events, virtualSeconds, broken, ...rest } = JSON.parse(first.stdout)
    assert.deepEqual([seeds, broken, rest], [3, [], {}])
    assert.ok(events >= 3_000 && virtualSeconds > 10)
  })

  it('tells a single storm as text', async () => {
    const { code, stdout } = await skein('--seeds', '1', '--from', '5', '--transcript')
    assert.equal(code, 0)
    assert.match(stdout, /^ +0 ms {2}peer-0: started$/m)
    assert.match(stdout, /-> end: finished/)
  })

  it('ends at Ctrl-C with what was done so far', async () => {
    const { process, ended } = start(realMain, ['storm', '--seeds', '1000000'], place.folder)
    process.stderr?.once('data', () => process.kill('SIGINT'))
    const { code, stdout } = await ended
    assert.equal(code, 130)
    assert.match(stdout, /^\d+ storms, /m)
  })

  it('answers a count that is none with exit code 2 and a reason', async () => {
    const { code, stdout, stderr } = await skein('--seeds', 'many')
    assert.deepEqual([code, stdout], [2, ''])
    assert.match(stderr, /--seeds .*whole number of at least 1/)
  })
})
