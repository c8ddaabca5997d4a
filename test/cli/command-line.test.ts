// Mistakes on the command line, help, and what reaches a peer; in real processes where that makes a difference.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ChildMessage, readChildMessage } from '../../src/cli/child-channel.js'
import { commandLine, goOnCommand } from '../../src/cli/command-line.js'
import { answer } from './answers.js'
import { realMain, run, start, Workplace, withFakes } from './processes.js'

const commands = ['up', 'peer', 'join', 'ticket', 'revoke', 'relay', 'status', 'recover', 'sample', 'eval']

describe('The command line', () => {
  const place = new Workplace()
  after(() => place.remove())
  const skein = (...args: string[]) => run(realMain, args, place.folder)

  it('lists every command and points to the way in', async () => {
    const { code, stdout } = await skein('--help')
    assert.equal(code, 0)
    for (const command of commands) assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'))
    assert.match(stdout, /skein up peers\/trio\.yaml/)
  })

  for (const command of commands)
    it(`explains ${command} with its options and an example`, async () => {
      const { code, stdout } = await answer(['help', command])
      assert.equal(code, 0)
      assert.match(stdout, new RegExp(`Usage: skein ${command} `))
      assert.match(stdout, /Examples?:\n {2}skein /)
      assert.doesNotMatch(stdout, /report-to-parent|default: (\[\]|false|\d{4})/)
    })

  it('explains each option of up with an example', async () => {
    const { stdout } = await answer(['up', '--help'])
    const text = stdout.replace(/\s+/g, ' ')
    for (const option of [
      'corpus',
      'out',
      'engine',
      'device',
      'threads',
      'micro-batch',
      'cluster',
      'psk',
      'ticket',
      'seed',
      'set',
      'stop-after',
    ])
      assert.match(text, new RegExp(`--${option} <[^>]+> [^<]*example: --${option} `), option)
    for (const flag of ['resume', 'json', 'verbose'])
      assert.match(text, new RegExp(`--${flag} [^<]*example: [^<]*--${flag}`), flag)
  })

  it('prints its version', async () => {
    assert.match((await skein('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
  })

  const mistakes: readonly [string, string[], number, RegExp][] = [
    ['no command', [], 2, /Usage: skein/],
    ['an unknown command', ['upp'], 2, /error: unknown command 'upp'\nwhat to do: Did you mean up\?/],
    [
      'an unknown option',
      ['up', 'x.yaml', '--corpsu', 'y'],
      2,
      /error: unknown option '--corpsu'\nwhat to do: .*--corpus/,
    ],
    ['a missing argument', ['up'], 2, /error: missing required argument 'file'\nwhat to do: /],
    ['a missing name', ['peer', 'x.yaml'], 2, /error: required option '--name <name>' not specified/],
    [
      'a number that is none',
      ['up', 'x.yaml', '--threads', 'two'],
      2,
      /--threads .*whole number of at least 1/,
    ],
    [
      'a missing file',
      ['up', 'x.yaml'],
      3,
      /error: the swarm file x\.yaml does not exist\nwhat to do: .*peers\/trio\.yaml/,
    ],
    ['a folder for a file', ['up', '.'], 3, /error: the swarm file \. is a folder/],
    ['neither address nor ticket', ['join', 'somewhere'], 2, /somewhere is neither a multiaddr nor a ticket/],
    ['a damaged ticket', ['join', 'skein1xyz'], 2, /error: .*ticket.*\nwhat to do: /],
    ['a name that is none', ['join', '/ip4/127.0.0.1/tcp/1', '--name', 'a b'], 2, /--name a b is not a name/],
    [
      'a seed for a run that has one',
      ['join', '/ip4/127.0.0.1/tcp/1', '--seed', '3'],
      2,
      /the seed belongs to the run/,
    ],
    [
      'a setting of the run on joining',
      ['join', '/ip4/1.2.3.4/tcp/1', '--set', 'run.seed=1'],
      2,
      /fixed when it was founded/,
    ],
    [
      'a GPU for an engine that has none',
      ['join', '/ip4/127.0.0.1/tcp/1', '--engine', 'wasm', '--device', '1'],
      2,
      /--device 1 means nothing to wasm: .*CPU\nwhat to do: /,
    ],
    ['a run folder that is none', ['sample', 'nowhere', 'Once'], 8, /error: .*nowhere.*\nwhat to do: /],
  ]
  for (const [what, args, expected, message] of mistakes)
    it(`answers ${what} with exit code ${expected}, a reason and no stack`, async () => {
      const { code, stdout, stderr } = await answer(args)
      assert.match(stderr, message)
      assert.equal(code, expected)
      assert.equal(stdout, '')
      assert.doesNotMatch(stderr, /^\s+at /m)
    })

  for (const args of [['upp'], ['up', 'x.yaml'], ['sample', 'nowhere', 'Once']])
    it(`answers ${args.join(' ')} in a process of its own with the same words and code`, async () =>
      assert.deepEqual(await skein(...args), await answer(args)))

  it('shows its usage in a process of its own where no command is given', async () => {
    const { code, stdout, stderr } = await skein()
    assert.match(stderr, /Usage: skein/)
    assert.deepEqual([code, stdout], [2, ''])
  })

  it('names every problem of a swarm file and of --set at once', async () => {
    const file = place.swarm(['one'], 'run: { localStep: 3 }')
    const { code, stderr } = await skein('up', file, '--set', 'run.sed=1')
    assert.equal(code, 3)
    assert.match(stderr, /did you mean run\.seed\?[\s\S]*did you mean run\.localSteps\?/)
  })

  it('names the clusters or peers there are when another is asked for', async () => {
    const file = place.swarm(['one', 'two'])
    assert.match(
      (await skein('up', file, '--cluster', 'c')).stderr,
      /--cluster c: .*\nwhat to do: choose one of a, b/,
    )
    assert.match(
      (await skein('peer', file, '--name', 'tow')).stderr,
      /no peer tow\nwhat to do: did you mean two\?/,
    )
  })
})

describe('A peer on the command line', () => {
  const place = new Workplace()
  after(() => place.remove())
  const skein = (fake: string, ...args: string[]) => run(withFakes, args, place.folder, { FAKE: fake })
  const told = (stdout: string): Record<string, unknown> => {
    const match = /seed (\S+) (\{.*\})$/m.exec(stdout)
    assert.ok(match, stdout)
    return { seed: match[1], ...(JSON.parse(match[2]) as Record<string, unknown>) }
  }

  it('founds the run when it is the first of the file, and gets what was asked for', async () => {
    const file = place.swarm(['one', 'two'])
    const given = ['--corpus', 'book.txt', '--out', 'here', '--engine', 'wasm', '--threads', '3']
    const more = [
      '--cluster',
      'b',
      '--seed',
      '7',
      '--set',
      'peers.0.slowdown=2',
      '--relay',
      '/ip4/45.0.0.1/tcp/4001/p2p/12D3KooX',
      '--announce',
      '/dns4/attic.example.org/tcp/4001',
      '--role',
      'worker',
      '--micro-batch',
      '4',
      '--max-upload',
      '20',
      '--stop-after',
      '5',
      '--bootstrap',
      '/x',
    ]
    const { code, stdout } = await skein('echo', 'peer', file, '--name', 'one', ...given, ...more)
    assert.equal(code, 0)
    const { folder, ...options } = told(stdout)
    assert.match(String(folder), /here$/)
    assert.deepEqual(options, {
      seed: '7',
      name: 'one',
      cluster: 'b',
      founder: true,
      bootstrap: ['/x'],
      run: null,
      invitation: null,
      psk: null,
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: ['/dns4/attic.example.org/tcp/4001'],
      slowdown: 2,
      microBatch: 4,
      corpus: 'book.txt',
      resume: false,
      engine: 'wasm',
      device: null,
      threads: 3,
      stopAfter: 5,
      maxUpload: 2_500_000,
      maxDownload: null,
      mdns: true,
      relays: ['/ip4/45.0.0.1/tcp/4001/p2p/12D3KooX'],
      upnp: false,
      certificate: null,
      role: 'worker',
      verbose: false,
    })
  })

  it('does not found the run when it is another', async () => {
    const { stdout } = await skein('echo', 'peer', place.swarm(['one', 'two']), '--name', 'two')
    assert.equal(told(stdout).founder, false)
  })

  it('joins with no file, reachable from elsewhere, under a name of its own', async () => {
    const { stdout } = await skein(
      'echo',
      'join',
      '/ip4/127.0.0.1/tcp/9',
      '--set',
      'slowdown=3',
      '--set',
      'microBatch=2',
    )
    const options = told(stdout)
    assert.equal(options.seed, 'unknown')
    assert.deepEqual(options.bootstrap, ['/ip4/127.0.0.1/tcp/9'])
    assert.deepEqual(options.listen, ['/ip4/0.0.0.0/tcp/0'])
    assert.equal(options.slowdown, 3)
    assert.equal(options.microBatch, 2)
    assert.match(String(options.name), /^[a-z0-9][a-z0-9-]{0,31}$/)
  })

  it('prints records only with --json', async () => {
    const { stdout } = await skein('echo', 'peer', place.swarm(['one']), '--name', 'one', '--json')
    const lines = stdout.trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { type: string }).type),
      ['warning'],
    )
  })

  it('says what to do about a mistake that shows late, with its exit code', async () => {
    const { code, stderr } = await skein('mistake', 'peer', place.swarm(['one']), '--name', 'one')
    assert.equal(code, 8)
    assert.match(stderr, /^error: the disk is full\nwhat to do: free some space\n$/m)
    assert.doesNotMatch(stderr, /^\s+at /m)
  })

  it('shows the stack of a fault with --verbose only', async () => {
    const args = ['peer', place.swarm(['one']), '--name', 'one']
    const quiet = await skein('fault', ...args)
    assert.equal(quiet.code, 1)
    assert.match(
      quiet.stderr,
      /something unforeseen happened: TypeError: x is not a function\nwhat to do: .*--verbose/,
    )
    assert.doesNotMatch(quiet.stderr, /^\s+at /m)
    assert.match((await skein('fault', ...args, '--verbose')).stderr, /^\s+at /m)
  })
})

describe('A forked peer', () => {
  const place = new Workplace()
  after(() => place.remove())
  const args = () => ['peer', place.swarm(['one']), '--name', 'one', '--out', 'here', '--report-to-parent']
  const forked = (fake: string) =>
    fork(withFakes, args(), {
      cwd: place.folder,
      env: { ...process.env, FAKE: fake },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })

  it('tells its parent records, how it ended and why, and prints nothing', async () => {
    for (const [fake, expected] of [
      ['echo', ['record', 'outcome']],
      ['mistake', ['failed']],
    ] as const) {
      const child = forked(fake)
      const messages: (ChildMessage | null)[] = []
      let stdout = ''
      child.on('message', (message) => messages.push(readChildMessage(message)))
      child.stdout?.on('data', (chunk) => {
        stdout += chunk
      })
      await once(child, 'close')
      assert.deepEqual(
        messages.map((message) => message?.kind),
        expected,
      )
      assert.equal(stdout, '')
    }
  })

  it('stops when its parent is gone', async () => {
    const child = forked('untilStopped')
    await once(child, 'message')
    child.disconnect()
    const [code] = await once(child, 'exit')
    assert.equal(code, 130)
  })
})

describe('A peer that is interrupted', () => {
  it('stops, says how to resume and exits with 130', async () => {
    const place = new Workplace()
    const running = start(withFakes, ['peer', place.swarm(['one']), '--name', 'one'], place.folder, {
      FAKE: 'untilStopped',
    })
    await running.shows('running')
    running.process.kill('SIGINT')
    const { code, stdout } = await running.ended
    place.remove()
    assert.equal(code, 130)
    assert.match(stdout, /next: .* peer fake\.yaml --name one --resume --out runs\/fake\n/)
  })
})

describe('A printed command line', () => {
  const options = { engine: 'auto', set: [], resume: false, json: false, verbose: false }

  it('quotes what a shell would take apart', () => {
    assert.equal(commandLine(['sample', 'runs/a b', "it's"], 'skein'), "skein sample 'runs/a b' 'it'\\''s'")
  })

  it('resumes with the options that were given and the folder', () => {
    const command = goOnCommand(['up', 'trio.yaml'], options, 'runs/trio-2', true)
    assert.match(command, / up trio\.yaml --resume --out runs\/trio-2$/)
    const given = { ...options, corpus: 'x', seed: 3, set: ['run.localSteps=5'], stopAfter: 9, threads: 2 }
    assert.match(
      goOnCommand(['up', 'trio.yaml'], given, 'r', true),
      / --resume --out r --corpus x --threads 2 --seed 3 --set run\.localSteps=5 --stop-after 9$/,
    )
  })

  it('starts anew where nothing was kept that could be resumed', () => {
    const given = { ...options, corpus: 'x' }
    assert.match(goOnCommand(['up', 'trio.yaml'], given, 'runs/trio', false), / up trio\.yaml --corpus x$/)
    const out = { ...given, out: 'here' }
    assert.match(
      goOnCommand(['up', 'trio.yaml'], out, 'here', false),
      / up trio\.yaml --out here --corpus x$/,
    )
  })
})

describe('A run folder', () => {
  const place = new Workplace()
  after(() => place.remove())
  const folderOf = async (...args: string[]) => {
    const { stdout, stderr } = await run(
      withFakes,
      ['peer', place.swarm(['one']), '--name', 'one', ...args],
      place.folder,
    )
    return { folder: /"folder":"([^"]*)"/.exec(stdout)?.[1] ?? '', stderr }
  }

  it('is new for a new run and the newest for one that is resumed', async () => {
    assert.match((await folderOf()).folder, /runs\/fake$/)
    assert.match((await folderOf()).folder, /runs\/fake-2$/)
    const resumed = await folderOf('--resume')
    assert.match(resumed.folder, /runs\/fake-2$/)
    assert.match(resumed.stderr, /resuming the run in runs\/fake-2/)
  })

  it('is shared by the peers of a run, but not with another run', async () => {
    assert.equal((await folderOf('--out', 'shared')).folder, 'shared')
    writeFileSync(join(place.folder, 'shared/events.jsonl'), '')
    assert.match((await folderOf('--out', 'shared')).stderr, /the folder shared is not empty/)
    const file = place.swarm(['one', 'two'])
    const { code } = await run(withFakes, ['peer', file, '--name', 'two', '--out', 'shared'], place.folder)
    assert.equal(code, 0)
  })

  it('must exist when a run is resumed', async () => {
    const empty = new Workplace()
    const { code, stderr } = await run(withFakes, ['up', empty.swarm(['one']), '--resume'], empty.folder)
    empty.remove()
    assert.equal(code, 8)
    assert.match(stderr, /error: [\s\S]*what to do: /)
  })
})
