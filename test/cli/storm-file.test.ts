// `faults` of a swarm file: what it may say, and what `skein up` makes of it with fake peers.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseSwarmFile } from '../../src/swarmfile/parse.js'
import { problemsWith, small } from '../swarmfile/swarm-files.js'
import { start, Workplace, withFakes } from './processes.js'

describe('The faults of a swarm file', () => {
  it('are none unless they are asked for', () => {
    assert.equal(parseSwarmFile(small, 'test.yaml').faults, undefined)
  })

  it('have a default for every key', () => {
    const { faults } = parseSwarmFile(`${small}faults: {}\n`, 'test.yaml')
    assert.deepEqual(faults, {
      seed: 1,
      kills: 4,
      pauses: 2,
      partitions: 3,
      everySeconds: [4, 8],
      restartAfterSeconds: 4,
    })
  })

  it('can be set on the command line', () => {
    const { faults } = parseSwarmFile(small, 'test.yaml', ['faults.kills=0', 'faults.everySeconds=[4, 9]'])
    assert.deepEqual([faults?.kills, faults?.everySeconds], [0, [4, 9]])
  })

  const mistakes: readonly [string, string, RegExp][] = [
    ['an unknown key', '{ kill: 3 }', /unknown key faults\.kill; did you mean faults\.kills\?/],
    ['a number that is none', '{ kills: many }', /faults\.kills must be a number, not "many"/],
    [
      'times in the wrong order',
      '{ everySeconds: [8, 4] }',
      /faults\.everySeconds begins with 8, .*give the least first/,
    ],
    ['one time for two', '{ everySeconds: 4 }', /faults\.everySeconds must be a list, not 4/],
  ]
  for (const [what, faults, expected] of mistakes)
    it(`are refused with ${what} named`, () =>
      assert.match(problemsWith(`${small}faults: ${faults}\n`), expected))

  it('are refused for peers of other machines', () => {
    const text = `${small.replace('cluster: b }', 'cluster: b, local: false }')}faults: {}\n`
    assert.match(problemsWith(text), /faults are for peers of one machine, but peers\.1 has local: false/)
  })

  it('of storm.yaml befall five peers in two clusters, and end before the run does', () => {
    const { peers, clusters, faults, run } = parseSwarmFile(
      readFileSync('peers/storm.yaml', 'utf8'),
      'storm.yaml',
    )
    assert.deepEqual([peers.length, clusters.length], [5, 2])
    assert.ok(faults !== undefined && run.stop.minutes !== undefined)
    const count = faults.kills + faults.pauses + faults.partitions
    assert.ok(count * faults.everySeconds[1] <= 60 * run.stop.minutes)
  })
})

describe('skein up with faults', () => {
  const place = new Workplace()
  after(() => place.remove())
  const up = (peers: readonly string[], faults: string) => {
    const file = place.swarm(peers, `run: { stop: { minutes: 1 } }\nfaults: ${faults}`)
    return start(withFakes, ['up', file], place.folder)
  }
  const eventsOf = (stdout: string): Record<string, unknown>[] => {
    const folder = /run folder +(\S+)/.exec(stdout)?.[1] ?? ''
    const text = readFileSync(join(place.folder, folder, 'events.jsonl'), 'utf8')
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  it('kills a peer, starts it again with --resume in the same folder, and says that promises were kept', async () => {
    const faults =
      '{ kills: 1, pauses: 0, partitions: 0, everySeconds: [0.1, 0.1], restartAfterSeconds: 0.1 }'
    const running = up(['storm-a', 'storm-b'], faults)
    const { code, stdout, stderr } = await running.ended
    assert.equal(code, 0, stdout + stderr)
    const killed = /(storm-[ab]) +FAULT: killed, to be started again in 0\.1 s/.exec(stdout)?.[1]
    assert.ok(killed !== undefined, stdout)
    const starts = stdout.split('\n').filter((line) => line.includes(`${killed}   warning: arguments`))
    assert.match(starts.at(-1) ?? '', /"--resume"/)
    assert.match(stdout, /^faults made +1: kill 1$/m)
    assert.match(stdout, /^kept +at most one leader per term$/m)
    const fault = eventsOf(stdout).find(({ type }) => type === 'fault')
    assert.deepEqual([fault?.what, fault?.peers, fault?.forSeconds], ['kill', [killed], 0.1])
  })

  it('gives every peer its own way to the others where the network is to fail', async () => {
    const faults =
      '{ kills: 0, pauses: 0, partitions: 1, everySeconds: [0.1, 0.1], restartAfterSeconds: 0.1 }'
    const { code, stdout, stderr } = await up(['storm-a', 'storm-b', 'storm-c'], faults).ended
    assert.equal(code, 0, stdout + stderr)
    const calls = ['a', 'b', 'c'].map((name) => {
      const text = new RegExp(`storm-${name} +warning: arguments (.*)$`, 'm').exec(stdout)?.[1] ?? '[]'
      const args = JSON.parse(text) as string[]
      assert.ok(args.includes('--only-bootstrap'))
      return args.flatMap((arg, at) => (args[at - 1] === '--bootstrap' ? [arg] : []))
    })
    assert.deepEqual(
      calls.map((addresses) => addresses.length),
      [2, 2, 2],
    )
    assert.equal(new Set(calls.flat()).size, 6)
  })

  it('ends with exit code 1 and names the promise where one was broken', async () => {
    const faults =
      '{ kills: 0, pauses: 1, partitions: 0, everySeconds: [0.1, 0.1], restartAfterSeconds: 0.1 }'
    const file = place.swarm(['storm-a', 'storm-b'], `faults: ${faults}`)
    const { code, stdout } = await start(withFakes, ['up', file, '--seed', '666'], place.folder).ended
    assert.equal(code, 1, stdout)
    assert.match(
      stdout,
      /^BROKEN +at most one leader per term\n +- term 1 was led by storm-a and by storm-b/m,
    )
    assert.match(stdout, /^kept +no contribution is applied twice$/m)
  })

  it('tells what was kept when it is stopped', async () => {
    const running = up(['begin-a', 'begin-b'], '{ kills: 1, pauses: 0, partitions: 0 }')
    await running.shows('listens on /fake/begin-b')
    running.process.kill('SIGINT')
    const { code, stdout } = await running.ended
    assert.equal(code, 130)
    assert.match(stdout, /^faults made +0 of 1$/m)
  })
})
