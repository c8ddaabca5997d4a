// Voter sets: majorities of one set and of two, and which set the leader would have.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import {
  allVoters,
  betterVoters,
  type Candidate,
  isMajority,
  isVoter,
  majorityHas,
  toleranceOf,
} from '../../src/core/configuration.js'
import { type PeerId, peerId } from '../../src/core/ids.js'
import type { Configuration } from '../../src/core/ledger.js'

const ids = Array.from({ length: 9 }, (_, i) => peerId(`id-${i}`))
const [a, b, c, d, e, f] = ids
const of = (voters: readonly PeerId[], next: readonly PeerId[] | null = null): Configuration => ({
  voters,
  next,
  index: 0,
  epoch: 0,
})
const someOf = (least: number) => fc.subarray(ids, { minLength: least })
const voterSet = fc.shuffledSubarray(ids, { minLength: 1, maxLength: 5 })

describe('A majority', () => {
  it('is more than half: two of two, two of three, three of four, three of five', () => {
    for (const [size, needed] of [
      [1, 1],
      [2, 2],
      [3, 2],
      [4, 3],
      [5, 3],
    ]) {
      const voters = ids.slice(0, size)
      assert.ok(isMajority(of(voters), voters.slice(0, needed)), `${needed} of ${size}`)
      assert.ok(!isMajority(of(voters), voters.slice(0, needed - 1)), `${needed - 1} of ${size}`)
    }
  })

  it('of peers that do not vote is none', () => {
    assert.ok(!isMajority(of([a, b, c]), [a, d, e, f]))
  })

  it('shares a voter with every other one', () => {
    fc.assert(
      fc.property(voterSet, someOf(0), someOf(0), (voters, one, another) => {
        if (!isMajority(of(voters), one) || !isMajority(of(voters), another)) return
        assert.ok(voters.some((voter) => one.includes(voter) && another.includes(voter)))
      }),
    )
  })

  it('of two sets shares a voter with every majority of either (section 6)', () => {
    fc.assert(
      fc.property(voterSet, voterSet, someOf(0), someOf(0), (voters, next, both, alone) => {
        if (!isMajority(of(voters, next), both)) return
        for (const set of [voters, next])
          if (isMajority(of(set), alone))
            assert.ok(set.some((voter) => both.includes(voter) && alone.includes(voter)))
      }),
      { numRuns: 500 },
    )
  })
})

describe('What a majority has reached', () => {
  it('is the most that voters who are one have at least', () => {
    const reached = fc.array(fc.nat(9), { minLength: ids.length, maxLength: ids.length })
    fc.assert(
      fc.property(voterSet, fc.option(voterSet), reached, (voters, next, values) => {
        const valueAt = (voter: PeerId) => values[ids.indexOf(voter)]
        const set = of(voters, next)
        const value = majorityHas(set, valueAt)
        const having = (least: number) => ids.filter((id) => valueAt(id) >= least)
        assert.ok(isMajority(set, having(value)))
        assert.ok(!isMajority(set, having(value + 1)))
      }),
    )
  })
})

describe('While the voters change', () => {
  it('those of both sets vote, each once', () => {
    const joint = of([a, b, c], [b, c, d])
    assert.deepEqual(allVoters(joint), [a, b, c, d])
    assert.deepEqual(
      [a, d, e].map((peer) => isVoter(joint, peer)),
      [true, true, false],
    )
  })
})

describe('The better voters', () => {
  const sound = { present: true, left: false, proved: true }
  const candidate = (id: PeerId, cluster = 'lake', changes: Partial<Candidate> = {}): Candidate => ({
    id,
    cluster,
    ...sound,
    ...changes,
  })
  const gone = { present: false, proved: false }
  const left = { ...gone, left: true }
  const votersOf = (voters: readonly PeerId[], replicas: readonly Candidate[], most = 5) =>
    betterVoters(of(voters), a, replicas, most)?.voters ?? null

  it('are three once three have proved themselves, and five of five', () => {
    assert.equal(votersOf([a], [candidate(a), candidate(b)]), null)
    assert.deepEqual(votersOf([a], [candidate(a), candidate(b), candidate(c)]), [a, b, c])
    assert.equal(
      votersOf(
        [a, b, c],
        [a, b, c, d].map((id) => candidate(id)),
      ),
      null,
    )
    assert.deepEqual(
      votersOf(
        [a, b, c],
        [a, b, c, d, e].map((id) => candidate(id)),
      ),
      [a, b, c, d, e],
    )
    assert.deepEqual(
      votersOf(
        [a],
        [a, b, c, d, e].map((id) => candidate(id)),
        3,
      ),
      [a, b, c],
    )
  })

  it('are of many clusters rather than of one', () => {
    const replicas = [candidate(a), candidate(b), candidate(c), candidate(d, 'meadow')]
    assert.deepEqual(votersOf([a], replicas), [a, d, b])
  })

  it('have another in the place of one that is gone, with the reason', () => {
    const replicas = [candidate(a), candidate(b), candidate(c, 'lake', gone), candidate(d)]
    const better = betterVoters(of([a, b, c]), a, replicas, 3)
    assert.deepEqual(better?.voters, [a, b, d])
    assert.match(better?.reason ?? '', /gone \(2 of 3 were there\)/)
  })

  it('stay as they are while voters are silent and nobody can take their place', () => {
    const replicas = [candidate(a), candidate(b, 'lake', gone), candidate(c, 'lake', gone)]
    assert.equal(votersOf([a, b, c], replicas), null)
  })

  it('are fewer when voters said that they leave', () => {
    assert.deepEqual(votersOf([a, b, c], [candidate(a), candidate(b, 'lake', left), candidate(c)]), [a])
    const five = [
      candidate(a),
      candidate(b, 'lake', left),
      candidate(c, 'lake', left),
      candidate(d),
      candidate(e),
    ]
    assert.deepEqual(votersOf([a, b, c, d, e], five), [a, d, e])
  })

  it('wait for a change that is under way, and for a leader that votes', () => {
    const replicas = [a, b, c].map((id) => candidate(id))
    assert.equal(betterVoters(of([a], [a, b, c]), a, replicas, 5), null)
    assert.equal(betterVoters(of([b]), a, replicas, 5), null)
  })

  const swarm = fc
    .record({
      voters: fc.shuffledSubarray(ids.slice(1), { maxLength: 4 }),
      kinds: fc.array(fc.constantFrom(sound, { ...sound, proved: false }, gone, left), {
        minLength: ids.length,
        maxLength: ids.length,
      }),
      clusters: fc.array(fc.constantFrom('lake', 'meadow', 'shore'), {
        minLength: ids.length,
        maxLength: ids.length,
      }),
      most: fc.integer({ min: 1, max: 7 }),
    })
    .map(({ voters, kinds, clusters, most }) => ({
      // As they come to be: of one, three or five, with the leader somewhere among them.
      voters: [...voters.slice(0, 1), a, ...voters.slice(1)].slice(0, [0, 1, 1, 3, 3, 5][voters.length + 1]),
      replicas: ids.map((id, i) => candidate(id, clusters[i], id === a ? sound : kinds[i])),
      most,
    }))
    .filter(({ voters }) => voters.includes(a))

  it('are odd in number, each once, with the leader, and none new that has not proved itself', () => {
    fc.assert(
      fc.property(swarm, ({ voters, replicas, most }) => {
        const better = votersOf(voters, replicas, most)
        if (better === null) return
        assert.equal(better.length % 2, 1)
        assert.equal(new Set(better).size, better.length)
        assert.ok(better.includes(a))
        for (const id of better)
          if (!voters.includes(id)) assert.ok(replicas.some((one) => one.id === id && one.proved))
        assert.ok(better.length <= Math.max(most, voters.length))
      }),
      { numRuns: 1_000 },
    )
  })

  it('are fewer only by those who left', () => {
    fc.assert(
      fc.property(swarm, ({ voters, replicas, most }) => {
        const better = votersOf(voters, replicas, most)
        if (better === null || better.length >= voters.length) return
        const leaving = voters.filter((id) => replicas.some((one) => one.id === id && one.left)).length
        assert.ok(leaving > 0)
        // The largest odd number that those who stayed make up.
        assert.ok(better.length + 2 > voters.length - leaving)
      }),
      { numRuns: 1_000 },
    )
  })

  it('keep every voter that is there, unless the set gets smaller', () => {
    fc.assert(
      fc.property(swarm, ({ voters, replicas, most }) => {
        const better = votersOf(voters, replicas, most)
        if (better === null || better.length < voters.length) return
        const here = voters.filter((id) => replicas.some((one) => one.id === id && one.present))
        for (const id of here) assert.ok(better.includes(id), `${id} of ${voters} is not in ${better}`)
      }),
      { numRuns: 1_000 },
    )
  })

  it('are the better ones for good: nothing is to be changed of them', () => {
    fc.assert(
      fc.property(swarm, ({ voters, replicas, most }) => {
        const better = votersOf(voters, replicas, most)
        if (better === null) return
        const then = betterVoters(of(better), a, replicas, most)
        assert.equal(then, null, `${voters} -> ${better} -> ${then?.voters} (${then?.reason})`)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('What a voter set withstands', () => {
  it('is told in words', () => {
    assert.equal(toleranceOf(1), 'one voter: not fault-tolerant')
    assert.equal(toleranceOf(2), '2 voters: not fault-tolerant')
    assert.equal(toleranceOf(3), 'it survives the loss of one voter')
    assert.equal(toleranceOf(4), 'it survives the loss of one voter, no more than one voter fewer would')
    assert.equal(toleranceOf(5), 'it survives the loss of 2 voters')
  })
})
