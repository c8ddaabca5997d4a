// Who comes to a run without a ticket, or with one that is no good any more.
import assert from 'node:assert/strict'
import { exitCodes } from '../../../src/core/user-error.js'
import { issueTicket } from '../../../src/node/issue-ticket.js'
import { peerPaths } from '../../../src/store/run-paths.js'
import type { End } from './flock.js'
import { flockOn, onBed } from './on-bed.js'

/** Clocks may differ by minutes. */
const HOUR_MS = 3_600_000

describe('A run on a network', () => {
  const bed = onBed()
  const flock = flockOn(bed)

  it('turns away a stranger with no ticket and one with an expired ticket, who are told why, and lets in a third', async () => {
    bed().network('lan', '192.168.5')
    const hosts = ['anser', 'stranger', 'late', 'guest'].map((name, i) => bed().host(name, 'lan', i + 2))
    const [founder, stranger, late, guest] = hosts
    const file = flock().swarm('closed', ['anser'], { stop: { versions: 100_000 } })
    flock().start(founder, 'anser', ['peer', file])
    const ticket = await flock().ticketOf('anser')
    const { id, addresses } = await flock().next('listening')
    await flock().next('applied')

    const address = `/ip4/${founder.address}/tcp/4001/p2p/${id}`
    refused(await flock().start(stranger, 'stranger', ['join', address]).ended, /a ticket/)

    const folder = flock().folder('anser')
    const expires = Date.now() - HOUR_MS
    const expired = await issueTicket(folder, peerPaths(folder, 'anser'), addresses, expires)
    const day = new Date(expires).toISOString().slice(0, 10)
    const told = new RegExp(`the ticket expired on ${day} `)
    refused(await flock().start(late, 'late', ['join', expired.ticket]).ended, told)

    flock().start(guest, 'guest', ['join', ticket])
    await flock().next('applied', ({ worker }) => worker === 'guest')
    const joined = new Set(
      flock()
        .of('joined')
        .map(({ name }) => name),
    )
    assert.deepEqual([...joined], ['anser', 'guest'])
    for (const name of ['stranger', 'late'])
      assert.deepEqual(
        flock().records.filter(({ peer, type }) => peer === name && !['called', 'warning'].includes(type)),
        [],
        'it learned nothing of the run',
      )
    flock().assertKept()
  })

  function refused({ code, stderr }: End, why: RegExp): void {
    assert.equal(code, exitCodes.refused, stderr)
    assert.match(stderr, why)
    assert.match(stderr, /\nwhat to do: \S/)
  }
})
