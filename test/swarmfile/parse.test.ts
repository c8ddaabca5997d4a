// Swarm files: defaults, and an answer to every mistake.
import assert from 'node:assert/strict'
import { parseSwarmFile } from '../../src/swarmfile/parse.js'
import { problemsWith, small } from './swarm-files.js'

describe('A swarm file', () => {
  it('gets every default of the schema where it says nothing', () => {
    const swarm = parseSwarmFile(small, 'test.yaml')
    assert.equal(swarm.run.model.preset, 'mini')
    assert.equal(swarm.run.outer.bufferSize, 4)
    assert.deepEqual(swarm.run.stop, { versions: 48 })
    assert.equal(swarm.peers[1].slowdown, 1)
  })

  it('is refused with line and column when it is not YAML', () => {
    assert.match(problemsWith('name: x\npeers: [1'), /test\.yaml has a problem:\n {2}line 2, column \d+: /)
  })

  it('is refused when a key is written twice', () => {
    assert.match(problemsWith(`${small}name: again\n`), /line 8.*unique/)
  })

  it('is refused when it is empty or no group of keys', () => {
    assert.match(problemsWith('# nothing\n'), /the file is empty/)
    assert.match(problemsWith('- a\n'), /must be a group of keys/)
  })

  const mistakes: readonly [string, string, RegExp][] = [
    [
      'a mistyped key',
      'run: { localStep: 3 }',
      /line 8: unknown key run\.localStep; did you mean run\.localSteps\?/,
    ],
    [
      'a mistyped key three levels down',
      'run:\n  outer:\n    learningRat: 0.3',
      /line 10: unknown key run\.outer\.learningRat; did you mean run\.outer\.learningRate\?/,
    ],
    [
      'a key in the wrong place',
      'localSteps: 3',
      /unknown key localSteps; that key belongs at run\.localSteps/,
    ],
    ['a key like no other', 'zebra: 3', /unknown key zebra; valid here: name, run, clusters/],
    [
      'a mistyped codec',
      'run: { compression: { codec: int-8 } }',
      /run\.compression\.codec must be one of fp32, bf16, int8, int4, topk, auto, not "int-8"/,
    ],
    [
      'a density of a codec that sends everything',
      'run: { compression: { codec: int8, density: 0.1 } }',
      /run\.compression\.density is for topk and auto, but run\.compression\.codec is int8/,
    ],
    [
      'fragments in a run of clusters that report',
      'run: { fragments: { count: 2 }, hierarchy: {} }',
      /run\.fragments is for flat runs, but run\.hierarchy is given; leave out one of them/,
    ],
    [
      'no fragment at all',
      'run: { fragments: { count: 0 } }',
      /run\.fragments\.count must be more than 0, not 0/,
    ],
    [
      'a density of nothing',
      'run: { compression: { codec: topk, density: 0 } }',
      /run\.compression\.density must be more than 0, not 0/,
    ],
    ['text for a number', 'run: { localSteps: many }', /run\.localSteps must be a number, not "many"/],
    [
      'a fraction for a count',
      'run: { localSteps: 1.5 }',
      /run\.localSteps must be a whole number, not 1\.5/,
    ],
    ['a number that is too small', 'run: { localSteps: 0 }', /run\.localSteps must be more than 0, not 0/],
    [
      'a number that is too large',
      'run: { outer: { momentum: 1 } }',
      /run\.outer\.momentum must be less than 1, not 1/,
    ],
    [
      'a mistyped choice',
      'run: { model: { preset: mimi } }',
      /one of nano, mini, .* not "mimi" \(did you mean mini\?\)/,
    ],
    ['a wrong alternative', 'run: { grace: soon }', /run\.grace must be auto or a number, not "soon"/],
    ['a key without a value', 'run:', /run has no value; give a group of keys or remove the key/],
    ['no stop rule', 'run: { stop: {} }', /run\.stop names no rule; give one of versions, steps, tokens/],
    [
      'an unknown validator',
      'run: { validation: { by: nobody } }',
      /run\.validation\.by nobody is not one of the peers \(one, two\)/,
    ],
    ['more replicas than peers', 'run: { replicas: 3 }', /run\.replicas is 3, but the file lists 2 peers/],
    [
      'fewer shards than peers',
      'run: { data: { shards: 1 } }',
      /run\.data\.shards is 1, but the file lists 2 peers/,
    ],
    [
      'a link to nowhere',
      'links: [{ between: [a, c], bytesPerSecond: 9 }]',
      /links\.0\.between names c, which is not one of the clusters/,
    ],
    [
      'a link to itself',
      'links: [{ between: [a, a], bytesPerSecond: 9 }]',
      /links\.0\.between joins a to itself/,
    ],
    [
      'two links for one pair',
      'links: [{ between: [a, b], bytesPerSecond: 9 }, { between: [b, a], bytesPerSecond: 8 }]',
      /links\.1\.between joins the same clusters as links\.0/,
    ],
    [
      'a hierarchy that stops by local steps',
      'run: { hierarchy: {}, stop: { steps: 100 } }',
      /run\.stop\.steps does not go with run\.hierarchy: .* give versions, loss or minutes/,
    ],
    [
      'a warm start of a hierarchy',
      'run: { hierarchy: {}, warmStart: runs/x }',
      /run\.warmStart does not go with run\.hierarchy/,
    ],
  ]
  for (const [what, line, expected] of mistakes)
    it(`is refused with ${what} named`, () => assert.match(problemsWith(`${small}${line}\n`), expected))

  it('is refused with a cluster of a hierarchy that has no peer named', () => {
    const file = small.replace('cluster: b', 'cluster: a')
    assert.match(problemsWith(`${file}run: { hierarchy: {} }\n`), /no peer is in cluster b/)
  })

  it('is refused with peers of one name, or in unknown clusters, named', () => {
    const text = small.replace('two, cluster: b', 'one, cluster: c')
    assert.match(problemsWith(text), /line 7: peers\.1\.name one is already the name of peers\.0/)
    assert.match(problemsWith(text), /line 7: peers\.1\.cluster c is not one of the clusters \(a, b\)/)
  })

  it('is refused with a missing key named', () => {
    assert.match(
      problemsWith('name: x\nclusters: [{ name: a }]\npeers: [{ name: p }]\n'),
      /peers\.0\.cluster is missing/,
    )
    assert.match(
      problemsWith('run: {}\n'),
      /name is missing[\s\S]*clusters is missing[\s\S]*peers is missing/,
    )
  })

  it('is refused with all its problems at once, in the order of its lines', () => {
    const message = problemsWith(`${small}run: { localSteps: many, replicas: 9 }\nzebra: 1\n`, ['run.sed=1'])
    const places = [...message.matchAll(/^ {2}(--set|line \d+)/gm)].map((match) => match[1])
    assert.deepEqual(places, ['--set', 'line 8', 'line 8', 'line 9'])
    assert.match(message, /^test\.yaml has 4 problems/)
  })

  it('may leave the number of replicas at a default above its number of peers', () => {
    assert.equal(parseSwarmFile(small, 'test.yaml').run.replicas, 3)
  })
})
