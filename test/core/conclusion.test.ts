// The end of a run that cannot go on.
import assert from 'node:assert/strict'
import { arrive, type Driven, founder, leading } from './driven.js'

describe('A version that nobody can make', () => {
  const reason = 'theta would be Infinity at parameter 3'
  const farewell = {
    type: 'farewell',
    utilisation: 1,
    emulated: 0,
    bytesSent: {},
    interClusterBytes: 0,
  } as const

  /** A lone founder whose first contribution is ordered, up to the outer step. */
  function beforeOuterStep(changes: Record<string, unknown>): Driven {
    const driven = leading(changes)
    driven.event({ type: 'validated', version: 0, loss: 4 })
    driven.prompt = false
    driven.at = 1_000
    driven.clear()
    arrive(driven, founder)
    return driven.flush()
  }

  it('ends the run as failed, with the reason, at the version before it', () => {
    const driven = beforeOuterStep({}).clear()
    driven.event({ type: 'outer-failed', version: 1, reason, lasting: true })
    const [finish] = driven.entries()
    assert.deepEqual(
      { ...finish, index: 0, term: 0 },
      { kind: 'finish', reason, ok: false, index: 0, term: 0 },
    )
    assert.equal(driven.openOf(founder), undefined)
    driven.flush().from(founder, farewell)
    assert.deepEqual(driven.of('end'), [{ type: 'end', outcome: 'failed', reason }])
    assert.deepEqual(driven.of('checkpoint'), [{ type: 'checkpoint', version: 0, loss: 4 }])
    const summary = driven.of('report').map(({ report }) => report)
    assert.ok(summary.some((report) => report.type === 'run-finished' && report.versions === 0))
  })

  it('fails the run that would have ended with it', () => {
    const driven = beforeOuterStep({ stop: { versions: 1 } })
    driven.event({ type: 'outer-failed', version: 1, reason, lasting: true }).flush().from(founder, farewell)
    assert.deepEqual(driven.of('end'), [{ type: 'end', outcome: 'failed', reason }])
  })

  it('is not one whose payload could not be had: that is tried again', () => {
    const driven = beforeOuterStep({}).clear()
    driven.event({ type: 'outer-failed', version: 1, reason: 'nobody holds its payload', lasting: false })
    assert.deepEqual(driven.entries(), [])
    driven.timer('retry-apply')
    assert.equal(driven.of('apply-outer').length, 1)
  })
})
