// The ready-made swarms in peers/.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { parseSwarmFile } from '../../src/swarmfile/parse.js'

const folder = 'peers'
const read = (file: string) => parseSwarmFile(readFileSync(`${folder}/${file}`, 'utf8'), file)

describe('The ready-made swarm files', () => {
  const files = readdirSync(folder).filter((file) => file.endsWith('.yaml'))

  it('include solo, trio and two-clusters', () => {
    for (const file of ['solo.yaml', 'trio.yaml', 'two-clusters.yaml']) assert.ok(files.includes(file), file)
  })

  for (const file of files)
    it(`parse: ${file} bears its own name`, () => assert.equal(`${read(file).name}.yaml`, file))

  it('give trio three unequal peers in two clusters', () => {
    const { run, peers } = read('trio.yaml')
    assert.deepEqual(
      peers.map((peer) => peer.slowdown),
      [1, 1.5, 2.5],
    )
    assert.equal(new Set(peers.map((peer) => peer.cluster)).size, 2)
    assert.deepEqual(
      [run.localSteps, run.outer.bufferSize, run.startPeers, run.stop],
      [150, 3, 3, { versions: 48 }],
    )
  })

  it('put a slow link between the two clusters of two', () => {
    const { links, peers } = read('two-clusters.yaml')
    assert.equal(links.length, 1)
    assert.ok(links[0].latencyMs > 0)
    assert.deepEqual(
      links[0].between.map((cluster) => peers.filter((peer) => peer.cluster === cluster).length),
      [2, 2],
    )
  })
})
