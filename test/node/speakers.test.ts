// Who is heard for a cluster in the swarm above.
import assert from 'node:assert/strict'
import { clusterOfPeer, clusterPeer, Speakers } from '../../src/node/speakers.js'
import { alice, bob } from './fakes.js'

const voice = (term: number, epoch = 0, cluster = 'north') => ({ cluster, epoch, term })

describe('A cluster in the swarm above', () => {
  it('is one peer there whoever speaks for it', () => {
    assert.equal(clusterOfPeer(clusterPeer('north')), 'north')
    assert.equal(clusterOfPeer(alice), null)
  })

  it('is spoken for by the leader of its newest term, and of its newest epoch before that', () => {
    const speakers = new Speakers()
    assert.equal(speakers.of('north'), null)
    assert.ok(speakers.hear(voice(2), alice))
    assert.ok(speakers.hear(voice(3), bob))
    assert.equal(speakers.of('north'), bob)
    assert.ok(!speakers.hear(voice(2), alice), 'its term is over')
    assert.ok(speakers.hear(voice(1, 1), alice), 'it was recovered since')
    assert.ok(!speakers.hear(voice(3), bob))
    assert.equal(speakers.of('north'), alice)
  })

  it('is not spoken for by a second peer that says that it leads the same term', () => {
    const speakers = new Speakers()
    assert.ok(speakers.hear(voice(2), alice))
    assert.ok(!speakers.hear(voice(2), bob))
    assert.ok(speakers.hear(voice(2), alice), 'as often as it speaks')
    assert.deepEqual(speakers.clustersOf(alice), ['north'])
    assert.deepEqual(speakers.clustersOf(bob), [])
  })
})
