// Which calls at addresses are written down.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Report } from '../../src/core/reports.js'
import { CallReports } from '../../src/node/call-reports.js'
import type { Attempt } from '../../src/ports/paths.js'

const attempt = (address: string, reason: string): Attempt => ({
  peer: null,
  address,
  by: 'ticket',
  outcome: reason === '' ? 'connected' : 'failed',
  reason,
  ms: 3,
})

describe('Calls at addresses', () => {
  it('are reported with their reason, and again only when they end otherwise', () => {
    const reports: Report[] = []
    const calls = new CallReports(
      (report) => reports.push(report),
      () => 0,
    )
    for (const reason of ['refused', 'refused', '', '', 'refused'])
      calls.heard(attempt('/ip4/1.2.3.4/tcp/1', reason))
    assert.deepEqual(
      reports.map((report) => report.type === 'called' && `${report.outcome} ${report.reason}`.trim()),
      ['failed refused', 'connected', 'failed refused'],
    )
  })

  it('are never more than 32 and one each ten seconds, however many there are', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(300), fc.nat(20_000)), { maxLength: 300 }), (heard) => {
        let nowMs = 0
        let count = 0
        const calls = new CallReports(
          () => count++,
          () => nowMs,
        )
        for (const [address, laterMs] of heard) {
          nowMs += laterMs
          calls.heard(attempt(String(address), 'refused'))
          assert(count <= 32 + nowMs / 10_000)
        }
      }),
    )
  })
})
