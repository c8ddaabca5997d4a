// What the leader of a cluster says for it in the swarm above.
import assert from 'node:assert/strict'
import { assignmentId, type Index, type Version } from '../../src/core/ids.js'
import { reportOfRound } from '../../src/core/representative.js'
import type { PeerState } from '../../src/core/state.js'

describe('The report of a cluster', () => {
  const id = assignmentId(7 as Index)
  const base = 12 as Version
  const report = { assignment: id, base }
  const state = { replica: { ledger: { parent: { report } } } } as unknown as PeerState

  it('is sent again by a successor whose worker takes up its round once more', () => {
    assert.equal(reportOfRound(state, { id, base }), report)
  })

  it('is not that of another round, nor of one that got its name after a recovery by force', () => {
    assert.equal(reportOfRound(state, { id: assignmentId(8 as Index), base }), null)
    assert.equal(reportOfRound(state, { id, base: 9 as Version }), null)
  })
})
