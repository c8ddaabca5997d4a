// Rows of the network bench, and the results that are kept.
import assert from 'node:assert/strict'
import { networkRow, networkRowSchema } from '../../src/bench/network-row.js'

describe('A row of the network bench', () => {
  it('has the ratio of what was measured to the ideal, where there is one', () => {
    assert.equal(networkRow('bytes', 12, 'B', 10).ratio, 1.2)
    assert.equal(networkRow('bytes', 12, 'B', null).ratio, null)
    assert.deepEqual(networkRowSchema.parse(networkRow('lost', 0, 'contributions', 0)).ratio, null)
  })
})
