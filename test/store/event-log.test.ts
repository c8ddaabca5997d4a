// events.jsonl: whole lines, several writers, and a full disk that stops nothing.
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EventRecord } from '../../src/core/reports.js'
import { EventLog } from '../../src/store/event-log.js'
import { failure, withFolder, withHandleMethod } from './folders.js'

const event = (peer: string, message: string): EventRecord => {
  return { type: 'warning', message, peer, time: '2026-01-01T00:00:00.000Z' }
}
const messagesIn = async (path: string): Promise<string[]> =>
  (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { message: string }).message)
const never = (error: Error): never => assert.fail(error.message)

describe('The event log', () => {
  it('holds one object per line, in order, after what was there', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'run', 'events.jsonl')
      for (const part of [0, 1]) {
        const log = await EventLog.open(path, never)
        for (let i = 0; i < 50; i++) log.write(event('ada', `${50 * part + i}\nsecond line`))
        await log.close()
      }
      assert.deepEqual(
        await messagesIn(path),
        Array.from({ length: 100 }, (_, i) => `${i}\nsecond line`),
      )
    }))

  it('is shared by several writers without mixing lines', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'events.jsonl')
      const logs = await Promise.all(['ada', 'bob', 'cyd'].map(() => EventLog.open(path, never)))
      for (let i = 0; i < 200; i++) {
        for (const [k, log] of logs.entries()) log.write(event(`${k}`, 'x'.repeat(50 * k + i)))
      }
      await Promise.all(logs.map((log) => log.close()))
      assert.equal((await messagesIn(path)).length, 600)
    }))

  it('reports a full disk once and goes on', async function () {
    if (process.platform !== 'linux') this.skip()
    const errors: string[] = []
    const log = await EventLog.open('/dev/full', (error) => errors.push(error.message))
    for (let i = 0; i < 20; i++) log.write(event('ada', `${i}`))
    await log.flush()
    log.write(event('ada', 'again'))
    await log.close()
    assert.equal(errors.length, 1)
    assert.match(errors[0], /cannot write events to \/dev\/full: the disk is full \(ENOSPC\)/)
  })

  it('starts on a new line after one that was cut short', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'events.jsonl')
      await writeFile(path, '')
      const errors: Error[] = []
      const log = await EventLog.open(path, (error) => errors.push(error))
      let calls = 0
      const short = (real: unknown) =>
        async function (this: unknown, bytes: Uint8Array) {
          calls += 1
          if (calls === 2) throw failure('ENOSPC')
          return (real as (part: Uint8Array) => Promise<unknown>).call(this, bytes.subarray(0, 9))
        }
      await withHandleMethod('write', short, async () => {
        log.write(event('ada', 'cut'))
        log.write(event('ada', 'lost'))
        await log.flush()
      })
      log.write(event('ada', 'whole'))
      log.write(event('ada', 'whole too'))
      await log.close()
      const lines = (await readFile(path, 'utf8')).split('\n')
      assert.equal(lines.length, 4)
      assert.match(lines[1], /"whole"/)
      assert.match(lines[2], /"whole too"/)
      assert.equal(errors.length, 1)
    }))
})
