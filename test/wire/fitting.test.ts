// Messages too large for one frame: in parts they say the same, and every part is taken.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { AdmitEntry, Entry } from '../../src/core/entries.js'
import { peerId, runId } from '../../src/core/ids.js'
import type { Append, Message } from '../../src/core/messages.js'
import { CONTROL_CAP_BYTES } from '../../src/wire/codec.js'
import { open } from '../../src/wire/envelope.js'
import { MAX_ADDRESS_CHARS, MAX_ADDRESSES } from '../../src/wire/fields.js'
import { sealedFrames } from '../../src/wire/fitting.js'
import { messageSchema } from '../../src/wire/schemas.js'
import { messages } from './samples.js'

const RUN = runId('c'.repeat(64))
const peer = peerId(`12D3KooW${'a'.repeat(44)}`)
const addresses = new Array<string>(MAX_ADDRESSES).fill('x'.repeat(MAX_ADDRESS_CHARS))

const admission = (index: number): AdmitEntry & Pick<Entry, 'index' | 'term'> => ({
  kind: 'admit',
  index,
  term: 1,
  peer,
  name: 'n'.repeat(64),
  cluster: 'c'.repeat(64),
  replica: true,
  role: 'replica',
  speed: 1.5,
  addresses,
  through: null,
})
const admissions = Array.from({ length: 100 }, (_, i) => admission(i + 8))
const append: Append = {
  type: 'append',
  epoch: 0,
  term: 1,
  prev: { index: 7, term: 1 },
  entries: admissions,
  commit: 50,
}

/** What a receiver makes of the frames. */
const received = (message: Message): Message[] =>
  sealedFrames(RUN, message).map((frame) => open(frame, RUN, messageSchema, CONTROL_CAP_BYTES))

describe('A message', () => {
  it('that fits goes out in one frame as it is', () => {
    fc.assert(
      fc.property(messages, (message) => {
        assert.deepEqual(received(message), [message])
      }),
    )
  })

  it('with a hundred of the largest entries becomes several, each continuing the log where the one before ends', () => {
    const parts = received(append)
    assert.ok(parts.length > 1)
    let { index } = append.prev
    for (const part of parts) {
      assert.ok(part.type === 'append')
      assert.deepEqual(part.prev, { index, term: 1 })
      assert.equal(part.commit, append.commit)
      assert.equal(part.entries[0].index, index + 1)
      index += part.entries.length
    }
    assert.equal(index, admissions.at(-1)?.index)
  })

  it('of committed entries that are too many becomes several with all of them in order', () => {
    const parts = received({ type: 'entries', epoch: 0, term: 1, entries: admissions })
    const entries = parts.flatMap((part) => (part.type === 'entries' ? part.entries : []))
    assert.deepEqual(entries, admissions)
  })

  it('that names more addresses of replicas than fit keeps the first of each', () => {
    const replicas = new Array(64).fill({ peer, addresses })
    const welcome = {
      type: 'welcome',
      epoch: 0,
      term: 1,
      replica: true,
      replicasAt: 9,
      revoked: [],
      snapshot: null,
    } as const
    const redirect = { type: 'redirect', epoch: 0, term: 1, leader: peer } as const
    for (const message of [
      { ...welcome, replicas },
      { ...redirect, replicas },
    ]) {
      const [only, ...more] = received(message)
      assert.deepEqual(more, [])
      assert.ok('replicas' in only)
      assert.equal(only.replicas.length, 64)
      for (const replica of only.replicas) {
        assert.ok(replica.addresses.length >= 1)
        assert.deepEqual(replica.addresses, addresses.slice(0, replica.addresses.length))
      }
    }
  })

  it("that is too large and cannot be divided is the sender's own error", () => {
    const reason = 'x'.repeat(CONTROL_CAP_BYTES)
    assert.throws(() => sealedFrames(RUN, { type: 'leave', reason }), /leave message .* at most 65536/)
  })
})
