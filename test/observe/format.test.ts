// Numbers and texts for people.
import assert from 'node:assert/strict'
import { bytes, clean, count, cut, duration, perplexity, width } from '../../src/observe/format.js'

describe('Formats', () => {
  it('give bytes in three digits, never 1000 of a unit', () => {
    assert.deepEqual([0, 999, 1000, 12_345, 999_499, 999_500, 3.2e9].map(bytes), [
      '0 B',
      '999 B',
      '1.00 kB',
      '12.3 kB',
      '999 kB',
      '1.00 MB',
      '3.20 GB',
    ])
  })

  it('give counts as people quote them', () => {
    assert.deepEqual([999, 9_999, 30_346, 99_949, 370_000, 12.9e6, 1.5e9].map(count), [
      '999',
      '9999',
      '30.3k',
      '99.9k',
      '0.37M',
      '12.9M',
      '1.50B',
    ])
  })

  it('give durations as a clock does', () => {
    assert.deepEqual([0, 59_400, 60_000, 3_607_000].map(duration), ['0:00', '0:59', '1:00', '1:00:07'])
  })

  it('give perplexities without digits that mean nothing', () => {
    assert.deepEqual([12.184, 244.69, 123_456].map(perplexity), ['12.18', '244.7', '1.23e+5'])
  })

  it('take control characters out of a text and count columns without colours', () => {
    assert.equal(clean('a\u001b[31mb\u001b[0m\r\nc\u0007'), 'ab c ')
    assert.equal(width('\u001b[1mgänse\u001b[22m'), 5)
    assert.deepEqual([cut('goose', 5), cut('goose', 4), cut('goose', 0)], ['goose', 'goo…', ''])
  })
})
