// Contributions or a snapshot, whichever has fewer bytes.
import assert from 'node:assert/strict'
import { cheapestWay, wayToCatchUp } from '../../src/core/catching-up.js'
import type { CodecName } from '../../src/core/codec-names.js'
import type { Turn } from '../../src/core/state.js'
import { Driven, founder, heldAfter, ledgerOf, setupOf } from './driven.js'
import { apply } from './joined.js'

const ledger = ledgerOf([founder])

/** A leader whose log has these contributions after its fifth entry; parameters enough for blocks to be whole. */
function turnWith(codecs: readonly CodecName[]): Turn {
  const log = codecs.map((codec, i) => ({ ...apply(ledger.index + 1 + i), codec }))
  const setup = {
    ...setupOf(founder, { compression: { codec: 'auto' } }, heldAfter(ledger, { log })),
    parameters: 4096,
  }
  return { state: new Driven(setup).state, at: 0, effects: [] }
}
const way = (codecs: readonly CodecName[], last: number | null = ledger.index) =>
  wayToCatchUp(turnWith(codecs), last).by

describe('A replica that lacks a part of the ledger', () => {
  it('gets contributions as long as they have no more bytes than a snapshot, and is told why', () => {
    assert.deepEqual(cheapestWay([4, 4], 8), {
      by: 'entries',
      reason: 'the 2 contributions that it lacks have 0.0 MB, a snapshot has 0.0 MB',
    })
    assert.deepEqual(cheapestWay([4e6, 4.5e6], 8e6), {
      by: 'snapshot',
      reason: 'a snapshot has 8.0 MB, the 2 contributions that it lacks have 8.5 MB',
    })
  })

  it('gets a snapshot, which has three vectors, rather than four exact contributions', () => {
    assert.equal(way(['fp32', 'fp32', 'fp32']), 'entries')
    assert.equal(way(['fp32', 'fp32', 'fp32', 'fp32']), 'snapshot')
  })

  it('gets more contributions than that where they are short', () => {
    assert.equal(way(new Array<CodecName>(22).fill('int4')), 'entries')
    assert.equal(way(new Array<CodecName>(23).fill('int4')), 'snapshot')
    assert.equal(way(new Array<CodecName>(80).fill('topk')), 'entries')
  })

  it('is not counted what it has', () => {
    assert.equal(way(new Array<CodecName>(9).fill('fp32'), ledger.index + 6), 'entries')
  })

  it('gets a snapshot where it has no log, or one that ends before what is kept', () => {
    assert.equal(way([], null), 'snapshot')
    assert.equal(way([], -1), 'snapshot')
  })
})
