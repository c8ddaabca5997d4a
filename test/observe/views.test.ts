// What people and scripts get to see.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import pc from 'picocolors'
import { assignmentId, peerId } from '../../src/core/ids.js'
import type { EventRecord } from '../../src/core/reports.js'
import { width } from '../../src/observe/format.js'
import { frameLines } from '../../src/observe/frame.js'
import { JsonView } from '../../src/observe/json.js'
import { LiveView } from '../../src/observe/live.js'
import { PlainView } from '../../src/observe/plain.js'
import { summaryLines } from '../../src/observe/summary.js'
import { afterRecord, unseenSwarm } from '../../src/observe/swarm-view.js'
import { colorsFor, type View } from '../../src/observe/view.js'
import { applied, at, endRecords, joined, names, runRecords, stateAfter, stepLoss } from './records.js'

const plainColors = pc.createColors(false)
const brightColors = pc.createColors(true)

class Paper {
  text = ''
  write(text: string): void {
    this.text += text
  }
  get lines(): string[] {
    return this.text.trimEnd().split('\n')
  }
}

/** Shows records in a view as a command does. */
function show(view: View, records: readonly EventRecord[]): void {
  let state = unseenSwarm()
  for (const record of records) {
    state = afterRecord(state, record)
    view.record(state, record)
  }
}

describe('The live frame', () => {
  const state = stateAfter(runRecords(8))

  it('shows run, progress, every peer and both losses', () => {
    const text = frameLines(state, [], { columns: 100, rows: 40 }, plainColors).join('\n')
    assert.match(text, /^skein: trio · mini · 0\.37M parameters · run 3f2a91c0$/m)
    assert.match(text, /█+░+ version 8 of 12, 0:18 gone, about 0:05 left/)
    assert.match(text, /^peer +cluster +role +doing +ver +steps +loss +step\/s +stale +sent/m)
    assert.match(text, /^anser +north +leader +training +8 +7\/12 +4\.500 +8\.00 +1 +1\.23 MB/m)
    assert.match(text, /training 4\.200, validation 3\.250 \(perplexity 25\.79\)/)
    assert.match(text, /^ {2}5\.500 ┼╮/m)
  })

  it('stays within the terminal at any width and height, with and without colours', () => {
    const notes = ['a note that is rather long '.repeat(10), 'second']
    for (const colors of [plainColors, brightColors])
      for (const columns of [20, 40, 60, 80, 132])
        for (const rows of [1, 2, 3, 5, 8, 12, 24, 60]) {
          const lines = frameLines(state, notes, { columns, rows }, colors)
          assert.ok(lines.length <= rows, `${lines.length} lines on ${rows} rows`)
          for (const line of lines) assert.ok(width(line) <= columns, `${columns} columns: ${line}`)
        }
  })

  it('shows ten columns of a trio within 80 columns', () => {
    const header = frameLines(state, [], { columns: 80, rows: 24 }, plainColors).find((line) =>
      line.startsWith('peer'),
    )
    for (const title of ['cluster', 'role', 'doing', 'ver', 'steps', 'step/s', 'stale', 'sent'])
      assert.ok(header?.includes(title), `${title} in: ${header}`)
  })

  it('has something to show before anything is known', () => {
    const lines = frameLines(unseenSwarm(), [], { columns: 80, rows: 24 }, plainColors)
    assert.equal(lines[0], 'skein: starting')
  })

  it('uses no escape sequences without colours, not even those of a remote name', () => {
    const hostile = stateAfter([joined(20, 'evil\u001b[2Jname')], state)
    const text = frameLines(hostile, ['a\u001b]0;title\u0007b'], { columns: 80, rows: 40 }, plainColors).join(
      '\n',
    )
    // biome-ignore lint/suspicious/noControlCharactersInRegex: looking for them is the purpose
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f]/)
  })
})

describe('Colours', () => {
  const screen = { write: () => true, isTTY: true }
  it('are used on a terminal only, and never against NO_COLOR', () => {
    assert.equal(colorsFor(screen, {}).isColorSupported, true)
    assert.equal(colorsFor(screen, { NO_COLOR: '1' }).isColorSupported, false)
    assert.equal(colorsFor(screen, { TERM: 'dumb' }).isColorSupported, false)
    assert.equal(colorsFor({ write: () => true }, { CI: 'true' }).isColorSupported, false)
  })
})

describe('The live view', () => {
  it('leaves the last frame standing when it is closed', () => {
    const paper = Object.assign(new EventEmitter(), new Paper(), { columns: 80, rows: 24, isTTY: true })
    const stream = Object.assign(paper, {
      write(text: string) {
        paper.text += text
        return true
      },
    })
    const view = new LiveView(stream as unknown as NodeJS.WriteStream, plainColors)
    show(view, runRecords(6))
    assert.equal(paper.text, '', 'nothing is drawn for each single record')
    view.close()
    view.close()
    assert.match(paper.text, /version 6 of 12/)
    assert.equal(stream.listenerCount('resize'), 0)
  })
})

describe('The plain view', () => {
  it('tells what is worth telling, one line each', () => {
    const paper = new Paper()
    show(new PlainView(paper), [...runRecords(12), ...endRecords()])
    const text = paper.text
    assert.match(text, /0:00 {2}anser +starts run trio \(3f2a91c0\), 0\.37M parameters/)
    assert.match(
      text,
      /anser +needs 266 MB of the 21\.3 GB of memory available, 4 of 8 sequences at once: parameters 4\.00 MB, .*, runtime 100 MB/,
    )
    assert.match(text, /anser +anser leads term 1 \(founded the run\)/)
    assert.match(text, /cygnus +joined cluster south as worker/)
    assert.match(
      text,
      /0:03 {2}anser +validation at version 0: 5\.500 nats per token, perplexity 245\.0|244\.7/,
    )
    assert.match(text, /version 12 of 12: 10 steps of cygnus, loss 3\.800, staleness 0, 3\.20 steps\/s/)
    assert.match(text, /run finished: 12 versions applied/)
  })

  it('names the fragment that a contribution is of, where there are several', () => {
    const paper = new Paper()
    const part = { ...applied(3, 1, 'cygnus'), fragment: 2 } as EventRecord
    show(new PlainView(paper), [part])
    assert.match(paper.text, /10 steps of cygnus, fragment 2, loss/)
  })

  it('shows the first loss at once and then at most one in a quiet while', () => {
    const paper = new Paper()
    const records = Array.from({ length: 100 }, (_, step) => stepLoss(step / 10, names[step % 3], step + 1))
    show(new PlainView(paper), records)
    assert.match(paper.lines[0], /step 1 of 30 on version 0: loss 4\.500, 125 ms/)
    assert.ok(paper.lines.length >= 3 && paper.lines.length <= 5, paper.text)
  })

  it('tells a fact once though several peers report it', () => {
    const paper = new Paper()
    show(new PlainView(paper), [joined(1, 'branta'), { ...joined(1, 'branta'), peer: 'cygnus' }])
    assert.equal(paper.lines.length, 1)
  })

  it('tells how to join, once, where the peer can be reached from elsewhere', () => {
    const listening = (address: string) =>
      at(1, 'anser', { type: 'listening', id: peerId('p'), addresses: [address], ticket: 'skein1abc' })
    const [near, far] = [new Paper(), new Paper()]
    show(new PlainView(near), [listening('/ip4/127.0.0.1/tcp/1')])
    assert.doesNotMatch(near.text, /skein1abc/)
    show(new PlainView(far), [
      listening('/ip4/127.0.0.1/tcp/1'),
      ...Array(2).fill(listening('/ip4/10.0.0.7/tcp/1')),
    ])
    assert.equal(far.text.match(/to join from elsewhere: skein join skein1abc/g)?.length, 1)
  })

  it('lets no control character through', () => {
    const paper = new Paper()
    show(new PlainView(paper), [
      at(1, 'anser', { type: 'refused', what: 'message', from: 'x\u001b[2J', reason: 'bad\r\nrun finished' }),
    ])
    assert.equal(paper.lines.length, 1)
    assert.ok(!paper.text.includes('\u001b'))
  })
})

describe('The JSON view', () => {
  it('prints the records and nothing else', () => {
    const [out, notes] = [new Paper(), new Paper()]
    const view = new JsonView(out, notes)
    const records = [...runRecords(2), ...endRecords()]
    show(view, records)
    view.note('a word aside')
    assert.deepEqual(
      out.lines.map((line) => JSON.parse(line)),
      records,
    )
    assert.equal(notes.text, 'a word aside\n')
  })
})

describe('The summary', () => {
  const options = {
    columns: 100,
    colors: plainColors,
    folder: 'runs/trio',
    next: ['skein sample runs/trio', 'skein eval'],
  }

  it('gives losses, versions, peers, bytes, sample and what to do next', () => {
    const text = summaryLines(stateAfter(endRecords(), stateAfter(runRecords(12))), options).join('\n')
    assert.match(text, /^trio finished: 12 versions applied$/m)
    assert.match(text, /validation loss +5\.500 -> 2\.500 nats per token/)
    assert.match(text, /perplexity +244\.7 -> 12\.18/)
    assert.match(text, /versions +12 in 1:23/)
    assert.match(text, /local steps +120, 61\.4k tokens/)
    assert.match(text, /staleness +mean 1\.00, largest 2/)
    assert.match(text, /bytes sent +6\.00 MB \(control 3\.00 kB, gossip 6\.00 MB\)/)
    assert.match(text, /between clusters +1\.50 MB/)
    assert.match(text, /^peer +cluster +rounds +steps +step\/s +stale +training +emulated +loop p99 +sent$/m)
    assert.match(text, /^cygnus +south +4 +40 +3\.20 +0\.00 +95 % +40 % +12\.3 ms +2\.00 MB$/m)
    assert.match(text, /\[Once \]upon a time\n {2}there was a goose\./)
    assert.match(text, /next: skein sample runs\/trio\n {6}skein eval/)
  })

  it('leaves out what a run that was cut short does not know', () => {
    const text = summaryLines(stateAfter(runRecords(3)), options).join('\n')
    assert.match(text, /^trio stopped$/m)
    assert.match(text, /validation loss +5\.500 nats per token/)
    assert.doesNotMatch(text, /->|NaN|undefined|null|Infinity/)
  })

  it('stays within the columns', () => {
    const state = stateAfter(endRecords(), stateAfter(runRecords(12)))
    for (const line of summaryLines(state, { ...options, columns: 60 }).filter((each) =>
      /^(peer|anser)/.test(each),
    ))
      assert.ok(width(line) <= 60, line)
  })
})

describe('The plain view of a hierarchical run', () => {
  it('says of a line which cluster it is about, and counts the versions of the swarm above alone', () => {
    const paper = new Paper()
    const leads = (swarm: string | undefined, leader: string): EventRecord => ({
      ...at(1, leader, {
        type: 'leader',
        term: 1,
        leader,
        id: peerId(`id-${leader}`),
        reason: 'it was chosen',
      }),
      ...(swarm !== undefined && { swarm }),
    })
    const records: EventRecord[] = [
      ...names.map((name) => joined(0, name)),
      leads('north', 'branta'),
      leads('south', 'cygnus'),
      leads(undefined, 'anser'),
      { ...applied(2, 40, 'branta'), swarm: 'north' },
      { ...applied(3, 1, 'anser'), worker: 'north' } as EventRecord,
      {
        ...at(4, 'branta', { type: 'merged', version: 41, round: assignmentId(9), above: 1 }),
        swarm: 'north',
      },
    ]
    show(new PlainView(paper), records)
    assert.match(paper.text, /branta +\[north\] branta leads term 1/)
    assert.match(paper.text, /cygnus +\[south\] cygnus leads term 1/)
    assert.match(paper.text, /anser +anser leads term 1/)
    assert.match(paper.text, /branta +\[north\] takes in version 1 of the swarm above, as version 41/)
    assert.equal(records.reduce(afterRecord, unseenSwarm()).version, 1)
  })
})
