// `skein up` with fake peers in real processes: order, deaths, Ctrl-C.
import assert from 'node:assert/strict'
import { start, Workplace, withFakes } from './processes.js'

describe('skein up', () => {
  const place = new Workplace()
  after(() => place.remove())
  const up = (peers: readonly string[], run = '', ...args: string[]) =>
    start(withFakes, ['up', place.swarm(peers, run), ...args], place.folder)
  const argumentsOf = (stdout: string, name: string): string[] =>
    JSON.parse(new RegExp(`^ *\\S+ +${name} +warning: arguments (.*)$`, 'm').exec(stdout)?.[1] ?? '[]')

  it('starts the founder first and the others with its address, and ends well with the run', async () => {
    const { code, stdout } = await up(['finish-a', 'finish-b', 'finish-c'], '', '--seed', '5').ended
    assert.equal(code, 0, stdout)
    assert.ok(!argumentsOf(stdout, 'finish-a').includes('--bootstrap'))
    for (const name of ['finish-b', 'finish-c']) {
      const args = argumentsOf(stdout, name)
      assert.equal(args[args.indexOf('--bootstrap') + 1], '/fake/finish-a')
      assert.ok(args.includes('run.seed=5'))
    }
    assert.match(stdout, /run folder +\S*runs\/fake/)
    assert.match(stdout, /next: .* sample /)
  })

  it('prints records and nothing else with --json', async () => {
    const { code, stdout } = await up(['finish-a'], '', '--json').ended
    assert.equal(code, 0)
    for (const line of stdout.trimEnd().split('\n')) assert.equal(typeof JSON.parse(line).type, 'string')
  })

  it('goes on without a peer that dies, and tells its last words', async () => {
    const running = up(['begin-a', 'crash-b'], '')
    await running.shows('the others go on')
    running.process.kill('SIGINT')
    const { stdout } = await running.ended
    assert.match(stdout, /peer crash-b ended unexpectedly \(exit code 3\); its last words:/)
    assert.match(stdout, /at the very end/)
  })

  it('fails with the reason and exit code of a founder that cannot start', async () => {
    const { code, stderr } = await up(['early-a', 'begin-b']).ended
    assert.equal(code, 4)
    assert.match(stderr, /^error: peer early-a: the corpus is empty\nwhat to do: give another\n$/m)
  })

  it('stops when the founder crashes', async () => {
    const { code, stderr } = await up(['crash-a', 'begin-b']).ended
    assert.equal(code, 9)
    assert.match(stderr, /error: peer crash-a ended unexpectedly[\s\S]*out of luck[\s\S]*what to do: /)
  })

  it('stops when too few peers are left to begin', async () => {
    const { code, stderr } = await up(['wait-a', 'early-b'], 'run: { startPeers: 2 }').ended
    assert.equal(code, 4)
    assert.match(stderr, /peer early-b: the corpus is empty/)
  })

  it('asks every peer once to stop on Ctrl-C, and prints how to resume', async () => {
    const running = up(['begin-a', 'begin-b'], '', '--corpus', 'my book.txt')
    await running.shows('listens on /fake/begin-b')
    running.process.kill('SIGINT')
    // npm passes on a signal that the terminal has sent already.
    running.process.kill('SIGINT')
    const { code, stdout } = await running.ended
    assert.equal(code, 130)
    assert.equal(stdout.match(/asked to stop/g)?.length, 2)
    assert.match(stdout, /next: .* up fake\.yaml --resume --out \S*runs\/fake\S* --corpus 'my book\.txt'\n/)
  })

  it('prints how to start again when it was stopped before the run was founded', async () => {
    const running = up(['shy-a'])
    await running.shows('arguments')
    running.process.kill('SIGINT')
    const { stdout } = await running.ended
    assert.match(stdout, /next: .* up fake\.yaml\n/)
  })

  it('is finished when Ctrl-C comes after the end of the run', async () => {
    const running = up(['late-a'])
    await running.shows('listens on /fake/late-a')
    running.process.kill('SIGINT')
    const { code, stdout } = await running.ended
    assert.equal(code, 0)
    assert.match(stdout, /next: .* sample /)
  })

  it('does not wait for others when the run was over before it was resumed', async () => {
    const { code, stdout } = await up(['over-a', 'wait-b']).ended
    assert.equal(code, 0)
    assert.doesNotMatch(stdout, /did not end/)
  })

  it('ends a peer by force that does not stop', async () => {
    const running = up(['begin-a', 'deaf-b'])
    await running.shows('listens on /fake/deaf-b')
    running.process.kill('SIGINT')
    const { code, stdout } = await running.ended
    assert.equal(code, 130)
    assert.match(stdout, /peer deaf-b is ended by force/)
  })

  it('stops its peers and ends quietly when nobody reads it any more', async () => {
    const running = up(['chatty-a', 'begin-b'])
    await running.shows('listens on /fake/begin-b')
    running.process.stdout?.destroy()
    const { code, stderr } = await running.ended
    assert.equal(code, 130)
    assert.doesNotMatch(stderr, /EPIPE|error/)
  })

  it('refuses a file with no peer for this machine', async () => {
    const { code, stderr } = await up(['one'], '', '--set', 'peers.0.local=false').ended
    assert.equal(code, 3)
    assert.match(stderr, /lists no peer for this machine/)
  })
})
