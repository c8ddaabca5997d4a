// When others are told that a peer is reached elsewhere.
import assert from 'node:assert/strict'
import { OwnAddresses } from '../../src/node/own-addresses.js'

describe('A peer whose addresses change', () => {
  const looked = (told: readonly string[], ...seen: readonly (readonly string[])[]) => {
    let current: readonly string[] = told
    const moves: (readonly string[])[] = []
    const own = new OwnAddresses(
      told,
      () => current,
      (addresses) => moves.push(addresses),
    )
    for (const addresses of seen) {
      current = addresses
      own.look()
    }
    return moves
  }
  const times = (count: number, ...addresses: readonly string[]) =>
    Array<readonly string[]>(count).fill(addresses)

  it('tells them once, when they have been the same for some time', () => {
    assert.deepEqual(looked(['a'], ...times(4, 'a', 'b')), [])
    assert.deepEqual(looked(['a'], ...times(20, 'a', 'b')), [['a', 'b']])
  })

  it('tells nobody of what was only for a moment, of another order, and of none at all', () => {
    assert.deepEqual(looked(['a', 'b'], ...times(4, 'a'), ...times(9, 'b', 'a')), [])
    assert.deepEqual(looked(['a'], ...times(9)), [])
  })

  it('tells them again when they change back', () => {
    assert.deepEqual(looked(['a'], ...times(9, 'b'), ...times(9, 'a')), [['b'], ['a']])
  })
})
