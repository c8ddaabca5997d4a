// `--set key=value`.
import assert from 'node:assert/strict'
import { applyOverrides } from '../../src/swarmfile/overrides.js'
import { parseOwnSettings } from '../../src/swarmfile/own-settings.js'
import { parseSwarmFile } from '../../src/swarmfile/parse.js'
import { problemsWith, small } from './swarm-files.js'

const parsed = (...assignments: string[]) => parseSwarmFile(small, 'test.yaml', assignments)

describe('An override', () => {
  it('sets a key that the file leaves out', () => {
    assert.equal(parsed('run.outer.learningRate=0.3').run.outer.learningRate, 0.3)
  })

  it('reads its value as YAML', () => {
    assert.equal(parsed('run.dylu=false').run.dylu, false)
    assert.equal(parsed('run.inner.learningRate=1e-3').run.inner.learningRate, 1e-3)
    assert.deepEqual(parsed('run.stop={steps: 5}').run.stop, { steps: 5 })
    assert.equal(parsed('run.data.corpus=a=b').run.data.corpus, 'a=b')
  })

  it('reaches into lists by number', () => {
    assert.equal(parsed('peers.1.slowdown=2').peers[1].slowdown, 2)
    assert.deepEqual(parsed('peers.0.listen.0=/ip4/0.0.0.0/tcp/1').peers[0].listen, ['/ip4/0.0.0.0/tcp/1'])
  })

  it('appends a whole entry after the last', () => {
    assert.equal(parsed('peers.2={name: three, cluster: a}').peers.length, 3)
  })

  it('returns a key to its default with null', () => {
    const text = `${small}run: { localSteps: 5 }\n`
    assert.equal(parseSwarmFile(text, 'test.yaml', ['run.localSteps=null']).run.localSteps, 30)
  })

  it('wins over an earlier one', () => {
    assert.equal(parsed('run.seed=3', 'run.seed=4').run.seed, 4)
  })

  it('leaves what it is given as it was', () => {
    const raw = { run: { seed: 1 } }
    applyOverrides(raw, ['run.seed=2'])
    assert.deepEqual(raw, { run: { seed: 1 } })
  })

  const mistakes: readonly [string, string, RegExp][] = [
    [
      'an unknown key',
      'run.outer.lerningRate=2',
      /unknown key run\.outer\.lerningRate; did you mean run\.outer\.learningRate\?/,
    ],
    ['a key that lost its beginning', 'outer.learningRate=2', /did you mean run\.outer\.learningRate\?/],
    [
      'a mistyped group',
      'run.outr.learningRate=2',
      /unknown key run\.outr; did you mean run\.outer\.learningRate\?/,
    ],
    ['an entry that does not exist', 'peers.7.slowdown=2', /peers has entries 0 to 1/],
    ['a name for a number', 'peers.one.slowdown=2', /peers is a list; name an entry by its number from 0/],
    ['no value', 'run.seed=', /needs a value; write null/],
    ['no equals sign', 'run.seed', /expected key=value/],
    ['a value that is not YAML', 'run.seed=[', /the value is not YAML/],
    ['a value of the wrong kind', 'run.seed=yes', /--set: run\.seed must be a number, not "yes"/],
    ['a key of every object', 'run.__proto__.x=1', /unknown key run\.__proto__/],
  ]
  for (const [what, assignment, expected] of mistakes)
    it(`is refused with ${what}`, () => assert.match(problemsWith(small, [assignment]), expected))
})

describe('The settings of a joining peer', () => {
  it('are its own slowdown, micro-batch and addresses, reachable from elsewhere unless given', () => {
    const own = parseOwnSettings(['slowdown=2', 'microBatch=3'])
    assert.deepEqual(own, { slowdown: 2, microBatch: 3, listen: ['/ip4/0.0.0.0/tcp/0'] })
    assert.deepEqual(parseOwnSettings(['listen=[/ip4/10.0.0.1/tcp/9]']).listen, ['/ip4/10.0.0.1/tcp/9'])
  })

  it('do not reach into the run', () => {
    assert.throws(() => parseOwnSettings(['run.seed=3']), { name: 'UserError', kind: 'usage' })
    assert.throws(() => parseOwnSettings(['name=x']), { name: 'UserError', kind: 'usage' })
  })

  it('are checked like those in a file', () => {
    assert.throws(() => parseOwnSettings(['slowdown=0.5']), /slowdown must be at least 1/)
  })
})
