// Which members of a cluster others can reach.
import assert from 'node:assert/strict'
import { clusterHeads, headless } from '../../src/core/heads.js'
import { peerId } from '../../src/core/ids.js'
import type { PathKind } from '../../src/ports/paths.js'
import type { MemberReach, StatusMember } from '../../src/ports/status.js'

const idOf = (name: string) => peerId(`12D3KooW${name.repeat(44).slice(0, 44)}`)
const member = (name: string, cluster: string, reach: MemberReach, present = true): StatusMember => ({
  name,
  id: idOf(name),
  cluster,
  replica: true,
  present,
  reach,
})
const heads = (members: readonly StatusMember[], paths: Readonly<Record<string, PathKind>> = {}) =>
  clusterHeads({
    name: 'anser',
    cluster: 'lake',
    members,
    paths: Object.entries(paths).map(([name, kind]) => ({
      id: idOf(name),
      kind,
      roundTripMs: null,
      bytesPerSecond: null,
    })),
  })
const told = (...given: Parameters<typeof heads>) =>
  heads(...given).map(({ cluster, head, by }) => `${cluster}: ${head} ${by}`)

describe('The head of a cluster', () => {
  it('is a member at a public address, else one that a relay keeps a place for', () => {
    const members = [member('anser', 'lake', 'relayed'), member('branta', 'lake', 'public')]
    assert.deepEqual(told(members), ['lake: branta public'])
    assert.deepEqual(told([members[0], member('cygnus', 'moor', 'public')]), [
      'lake: anser relayed',
      'moor: cygnus public',
    ])
  })

  it('is one on the same network, where there is a path between the two clusters', () => {
    const members = [member('anser', 'lake', 'lan'), member('cygnus', 'moor', 'lan')]
    assert.deepEqual(told(members, { cygnus: 'lan' }), ['lake: anser lan', 'moor: cygnus lan'])
    assert.deepEqual(headless(heads(members, { cygnus: 'lan' })), [])
  })

  it('is missing where all have private addresses on different networks', () => {
    const members = [member('anser', 'lake', 'public'), member('cygnus', 'moor', 'lan')]
    assert.deepEqual(headless(heads(members, { cygnus: 'direct' })), ['moor'])
    assert.deepEqual(told(members, { cygnus: 'direct' }), ['lake: anser public', 'moor: null none'])
  })

  it('is nobody who is gone, and nobody is missed where there is one cluster', () => {
    const gone = [member('anser', 'lake', 'public'), member('cygnus', 'moor', 'public', false)]
    assert.deepEqual(told(gone), ['lake: anser public'])
    assert.deepEqual(headless(heads([member('anser', 'lake', 'lan')])), [])
  })
})
