// What the leader makes of a contribution that arrives.
import assert from 'node:assert/strict'
import { arrive, founder, leading, manifestFor, other } from './driven.js'

describe('A contribution', () => {
  it('is applied once, however often and by whatever way it arrives', () => {
    const driven = leading({ grace: 2 }, [other])
    driven.at = 1_000
    const manifest = manifestFor(driven, other)
    driven.clear()
    driven.from(other, { type: 'offer', manifest })
    driven.event({ type: 'contribution', from: other, manifest, problem: null })
    driven.event({ type: 'contribution', from: other, manifest, problem: null })
    driven.from(other, { type: 'offer', manifest })
    assert.deepEqual(driven.kinds(), ['apply'])
    assert.equal(driven.of('pull-contribution').length, 1)
    const verdicts = driven.sent(other, 'entries').flatMap(({ entries }) => entries)
    assert.deepEqual(
      verdicts.map((entry) => entry.kind),
      ['apply', 'apply'],
      'its verdict is told again',
    )
    assert.equal(driven.of('report').filter(({ report }) => report.type === 'refused').length, 0)
  })

  it('is not called unknown while its verdict is being written', () => {
    const driven = leading({ grace: 2 }, [other])
    driven.at = 1_000
    driven.prompt = false
    const manifest = arrive(driven, other)
    driven.clear().event({ type: 'contribution', from: other, manifest, problem: null })
    assert.deepEqual(driven.effects, [])
  })

  it('is refused if it starts from another version, or took other steps, than assigned', () => {
    for (const [change, reason] of [
      [{ base: 7 }, 'it starts from version 7, but version 0 was assigned'],
      [{ steps: 3 }, 'it took 3 steps, but 10 were assigned'],
    ] as const) {
      const driven = leading({}, [other])
      driven.at = 1_000
      driven.clear()
      arrive(driven, other, change)
      const [entry] = driven.entries()
      assert.ok(entry.kind === 'refuse')
      assert.equal(entry.reason, reason)
    }
  })

  it('has its speed held to what the time since its assignment allows', () => {
    const driven = leading({ grace: 2 }, [other])
    driven.at = 2_000
    driven.clear()
    arrive(driven, other, { speed: 1_000 })
    const [entry] = driven.entries()
    assert.ok(entry.kind === 'apply')
    assert.equal(entry.speed, 20)
  })

  it('that reaches the limit is the last one applied', () => {
    const driven = leading({ grace: 2, stop: { versions: 1 } }, [other])
    driven.at = 1_000
    driven.clear()
    driven.prompt = false
    arrive(driven, other)
    arrive(driven, founder)
    assert.deepEqual(driven.kinds(), ['apply', 'finish'])
  })
})
