// Joining by ticket with real peers: without a corpus, after the founder has left, and not without a ticket.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../src/core/user-error.js'
import { issueTicket } from '../../src/node/issue-ticket.js'
import { peerPaths, runPaths } from '../../src/store/run-paths.js'
import { readTicket } from '../../src/wire/ticket.js'
import { Nest, tinySwarm } from './peers.js'

const changes = { membership: 'ticket', startPeers: 1, stop: { versions: 100_000 } }
const swarm = tinySwarm(changes, ['anser', 'branta'])

describe('A peer with a ticket', function () {
  this.timeout(60_000)
  const nest = new Nest()
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  const placeIn = (text: string) => {
    const { run, addresses, invitation } = readTicket(text)
    return { run, bootstrap: addresses, invitation }
  }

  it('joins with no file and no corpus, and lets others in once the founder has left', async () => {
    const anser = nest.start({ name: 'anser', founder: true, swarm })
    const { ticket } = await anser.next('listening')
    const attic = nest.start({ name: 'attic', corpus: null, ...placeIn(ticket ?? '') })
    const { id: self, addresses } = await attic.next('listening')
    assert.equal(attic.of('corpus').length, 1)
    const admitted = await anser.next('joined', ({ name }) => name === 'attic')
    assert.equal(admitted.id, self)
    await attic.next('contributed')
    await anser.stop()

    const folder = nest.folder('attic')
    const tokens = await readFile(runPaths(folder).corpus)
    assert.equal(tokens.byteLength, attic.of('corpus')[0].bytes)
    const issued = await issueTicket(folder, peerPaths(folder, 'attic'), addresses, null)
    const place = placeIn(issued.ticket)
    assert.equal(place.invitation?.chain.length, 2)
    const barn = nest.start({ name: 'barn', corpus: null, ...place })
    await barn.next('listening')
    assert.equal(barn.of('corpus')[0].bytes, tokens.byteLength)
  })

  it('leaves no ticket in its log, by which whoever reads it could come in', async () => {
    const anser = nest.start({ name: 'anser', founder: true, swarm })
    const { ticket } = await anser.next('listening')
    await anser.next('applied')
    await anser.stop()
    const log = await readFile(join(nest.folder('anser'), 'events.jsonl'), 'utf8')
    assert(ticket !== null && !log.includes(ticket) && log.includes('"type":"listening"'))
  })

  it('that has expired is refused with the day', async () => {
    const anser = nest.start({ name: 'anser', founder: true, swarm })
    const { addresses } = await anser.next('listening')
    await anser.next('applied')
    const folder = nest.folder('anser')
    const { ticket } = await issueTicket(folder, peerPaths(folder, 'anser'), addresses, 0)
    const late = nest.start({ name: 'late', ...placeIn(ticket) })
    await assert.rejects(
      late.ended,
      (error) =>
        error instanceof UserError && /the ticket expired on 1970-01-01 00:00 UTC/.test(error.message),
    )
  })

  it('and another file than the run was founded with is told what differs', async () => {
    const anser = nest.start({ name: 'anser', founder: true, swarm })
    const { ticket } = await anser.next('listening')
    const other = tinySwarm({ ...changes, localSteps: 7 }, ['anser', 'branta'])
    await assert.rejects(
      nest.start({ name: 'branta', swarm: other, ...placeIn(ticket ?? '') }).ended,
      /localSteps is 3 here and 7 there/,
    )
  })

  it('and a file is needed by the other peers of the file too, and they are told where to get one', async () => {
    await assert.rejects(
      nest.start({ name: 'branta', swarm }).ended,
      (error) =>
        error instanceof UserError &&
        /has none/.test(error.message) &&
        /skein ticket RUN-FOLDER/.test(error.remedy),
    )
  })
})
