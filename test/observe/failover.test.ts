// What people see of voters, of leaders that change, and of faults that are made on purpose.
import assert from 'node:assert/strict'
import pc from 'picocolors'
import { peerId } from '../../src/core/ids.js'
import type { RunRecord } from '../../src/faults/records.js'
import { frameLines } from '../../src/observe/frame.js'
import { PlainView } from '../../src/observe/plain.js'
import { summaryLines } from '../../src/observe/summary.js'
import { afterRecord, type SwarmState, unseenSwarm } from '../../src/observe/swarm-view.js'
import { at, runRecords } from './records.js'

const colors = pc.createColors(false)
const time = '2026-01-01T00:00:20.000Z'
const voters = (
  second: number,
  by: string,
  names: readonly string[],
  next: readonly string[] | null = null,
) => at(second, by, { type: 'voters', voters: names, next, reason: 'they have proved themselves' })
const leads = (second: number, name: string, term: number) =>
  at(second, name, {
    type: 'leader',
    term,
    leader: name,
    id: peerId(`id-${name}`),
    reason: 'anser cannot be reached',
  })
const all = ['anser', 'branta', 'cygnus']

/** anser leads, three vote, anser is killed and branta takes over. */
const story: readonly RunRecord[] = [
  ...runRecords(4),
  voters(16, 'anser', ['anser'], all),
  voters(16, 'anser', all),
  { time, peer: 'anser', type: 'fault', what: 'kill', peers: ['anser'], forSeconds: 4 },
  leads(21, 'branta', 3),
  voters(21, 'branta', all),
]

function seen(records: readonly RunRecord[]): { readonly state: SwarmState; readonly text: string } {
  let state = unseenSwarm()
  let text = ''
  const view = new PlainView({ write: (line) => (text += line) })
  for (const record of records) {
    state = afterRecord(state, record)
    view.record(state, record)
  }
  return { state, text }
}
const frameOf = (records: readonly RunRecord[]) =>
  frameLines(seen(records).state, [], { columns: 120, rows: 40 }, colors).join('\n')

describe('A fail-over', () => {
  it('is told in plain lines, what a new leader tells again only once', () => {
    const { text } = seen(story)
    assert.match(text, /anser +voters: anser, to be anser, branta, cygnus \(they have proved themselves\)/)
    assert.equal(text.match(/voters: anser, branta, cygnus \(/g)?.length, 1)
    assert.match(text, /anser +FAULT: killed, to be started again in 4\.0 s/)
    assert.match(text, /branta +branta leads term 3 \(anser cannot be reached\)/)
  })

  it('changes the leader of the live frame, which says who votes and what that withstands', () => {
    assert.match(
      frameOf(story.slice(0, -3)),
      /^anser leads term 1; voters anser, branta, cygnus: it survives the loss of one voter$/m,
    )
    assert.match(frameOf(story), /^branta leads term 3; voters anser, branta, cygnus/m)
    assert.match(frameOf(story), /^anser +north +replica +killed/m)
    assert.match(frameOf(story), /^branta +north +leader/m)
  })

  it('leaves nobody leading where the leader gives up its place', () => {
    const deposed = at(22, 'branta', { type: 'deposed', term: 3, reason: 'no majority has answered' })
    assert.match(frameOf([...story, deposed]), /^nobody leads; voters/m)
    assert.match(
      seen([...story, deposed]).text,
      /branta +leads no more: term 3 is over .*no majority has answered/,
    )
    const late = at(22, 'anser', { type: 'deposed', term: 1, reason: 'term 3 has begun' })
    assert.match(frameOf([...story, late]), /^branta leads term 3/m)
  })

  it('is summed up with who led', () => {
    const { state } = seen(story)
    const text = summaryLines(state, { columns: 100, colors, folder: 'runs/trio', next: [] }).join('\n')
    assert.match(text, /leaders +2: anser \(term 1\), branta \(term 3\)/)
    assert.match(text, /faults made +1$/m)
  })

  it('goes unmentioned where there was none', () => {
    const { state } = seen(runRecords(4))
    const text = summaryLines(state, { columns: 100, colors, folder: 'runs/trio', next: [] }).join('\n')
    assert.doesNotMatch(text, /leaders|faults/)
    assert.doesNotMatch(frameOf(runRecords(4)), /voters/)
  })

  it('by force is told with its reason', () => {
    const recovered: RunRecord = {
      time,
      peer: 'cygnus',
      type: 'recovered',
      epoch: 1,
      index: 40,
      voters: ['cygnus'],
      reason: 'anser and branta are gone',
    }
    assert.match(seen([recovered]).text, /cygnus +recovered by force \(epoch 1\): anser and branta are gone/)
  })
})

describe('A fault', () => {
  const faults: readonly [Extract<RunRecord, { type: 'fault' }>['what'], RegExp][] = [
    ['pause', /FAULT: stopped for 2\.5 s/],
    ['isolate', /FAULT: cut off from all others for 2\.5 s/],
    ['split', /FAULT: anser, branta cut off from the other clusters for 2\.5 s/],
    ['mute', /FAULT: heard by nobody for 2\.5 s/],
  ]
  for (const [what, expected] of faults)
    it(`of the kind ${what} is told with what it does`, () => {
      const record = {
        time,
        peer: 'anser',
        type: 'fault',
        what,
        peers: ['anser', 'branta'],
        forSeconds: 2.5,
      } as const
      assert.match(seen([record]).text, expected)
    })
})
