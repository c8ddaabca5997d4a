// Resuming with the curve of earlier sessions.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withEarlierEvents } from '../../src/cli/earlier-events.js'
import { unseenSwarm } from '../../src/observe/swarm-view.js'
import { runRecords } from '../observe/records.js'

describe('Earlier events', () => {
  const folder = mkdtempSync(join(tmpdir(), 'skein-events-'))
  after(() => rmSync(folder, { recursive: true }))

  it('leave the state as it is where there are none', async () => {
    const state = unseenSwarm()
    assert.equal(await withEarlierEvents(state, folder), state)
  })

  it('give a resumed run its curve and counts back, past a line that was cut short', async () => {
    const lines = runRecords(6).map((record) => JSON.stringify(record))
    const cut = '{"time":"2026-01-01T00:00:20.000Z","peer":"anser","type":"applied","vers'
    writeFileSync(join(folder, 'events.jsonl'), [...lines, cut].join('\n'))
    const state = await withEarlierEvents(unseenSwarm(), folder)
    assert.deepEqual([state.version, state.steps, state.training.length], [6, 60, 6])
    assert.deepEqual(state.validation, [
      { version: 0, loss: 5.5 },
      { version: 6, loss: 3.25 },
    ])
    assert.equal(state.startedMs, null)
  })
})
