// A replica's log in order, with its mark first.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { HardState } from '../../src/core/events.js'
import { DurableLog, entryCodec } from '../../src/node/durable-log.js'
import { ReplicaLog } from '../../src/store/replica-log.js'
import { entry } from '../store/logs.js'
import { unexpected } from './fakes.js'
import { folder, removeFolders } from './folders.js'

const hard = (term: number): HardState => ({ term, vote: null, epoch: 0 })

async function opened(path: string, mark: () => Promise<void> = () => Promise.resolve()) {
  const { log, held } = await ReplicaLog.open(path, entryCodec)
  return { log: new DurableLog(log, held, mark), held }
}

async function contentOf(path: string) {
  const { log, held } = await opened(path)
  await log.close()
  return held
}

describe('A durable log', () => {
  let path = ''
  beforeEach(async () => {
    path = join(await folder(), 'journal')
  })
  afterEach(removeFolders)

  it('has its mark before its first record', async () => {
    const order: string[] = []
    const { log } = await opened(path, async () => {
      assert.deepEqual((await contentOf(path)).entries, [])
      order.push('mark')
    })
    await log.persist(null, [entry(1, 1)]).then(() => order.push('first'))
    await log.persist(null, [entry(2, 1)]).then(() => order.push('second'))
    await log.close()
    assert.deepEqual(order, ['mark', 'first', 'second'])
    assert.equal((await contentOf(path)).entries.length, 2)
  })

  it('resolves in the order of the calls, also for one that writes nothing', async () => {
    const { log } = await opened(path)
    const order: number[] = []
    const calls = [
      log.persist(hard(1), []).then(() => order.push(1)),
      log.persist(null, [entry(1, 1)]).then(() => order.push(2)),
      log.persist(null, []).then(() => order.push(3)),
      log.compact({ index: 1, term: 1 }).then(() => order.push(4)),
      log.persist(null, [entry(2, 1)]).then(() => order.push(5)),
    ]
    await Promise.all(calls)
    assert.deepEqual(order, [1, 2, 3, 4, 5])
    await log.close()
    const { base, entries } = await contentOf(path)
    assert.deepEqual([base.index, entries.length], [1, 1])
  })

  it('keeps term and vote when it begins anew, and goes on from there, whatever was asked for meanwhile', async () => {
    const { log } = await opened(path)
    let ready = () => {}
    const calls = [
      log.persist(hard(7), [entry(1, 7), entry(2, 7)]),
      log.beginAnew({ index: 0, term: 0 }, new Promise((resolve) => (ready = resolve))),
      log.compact({ index: 40, term: 6 }),
      log.persist(null, [entry(41, 7)]),
    ]
    ready()
    await Promise.all(calls)
    await log.close()
    assert.deepEqual(await contentOf(path), {
      hard: hard(7),
      base: { index: 40, term: 6 },
      entries: [entry(41, 7)],
    })
  })

  it('begins anew where a snapshot lies before its first entry', async () => {
    const { log } = await opened(path)
    await log.persist(hard(3), [])
    await log.compact({ index: 50, term: 3 })
    await log.compact({ index: 20, term: 2 })
    await log.persist(null, [entry(21, 3)])
    await log.close()
    const { base, entries } = await contentOf(path)
    assert.deepEqual(base, { index: 20, term: 2 })
    assert.deepEqual(entries, [entry(21, 3)])
  })

  it('takes nothing more, and says why, once a write failed', async () => {
    const failure = new Error('the disk is full')
    const { log } = await opened(path, () => Promise.reject(failure))
    await assert.rejects(log.persist(hard(1), []), failure)
    await assert.rejects(log.persist(hard(2), []), failure)
    await log.close().catch(unexpected)
    assert.deepEqual((await contentOf(path)).hard, hard(0))
  })
})
