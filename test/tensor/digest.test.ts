// Digests of theta and of the outer state.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { nameOf } from '../../src/core/content.js'
import type { WholeState } from '../../src/outer/fragments.js'
import { digestState } from '../../src/outer/snapshot.js'
import { sha256 } from '../../src/platform/sha256.js'
import { digestVector } from '../../src/tensor/digest.js'

const state: WholeState = {
  theta: Float32Array.of(1, 2),
  slots: { momentum: Float32Array.of(3, 4), buffer: Float32Array.of(5, 6) },
  phases: [1],
}
const stateDigest = (some: WholeState, version = 7) => digestState(some, version, sha256).stateDigest

describe('The digest of theta', () => {
  it('is the name of its little-endian bytes as content', () => {
    const expected = nameOf(Uint8Array.of(0, 0, 0x80, 0x3f, 0, 0, 0, 0x40), sha256)
    assert.equal(digestVector(state.theta, sha256), expected)
    assert.equal(digestState(state, 7, sha256).digest, expected)
  })
  it('differs when any one bit does', () => {
    const bit = fc.tuple(fc.nat(3), fc.nat(31))
    fc.assert(
      fc.property(fc.float32Array({ minLength: 4, maxLength: 4, noNaN: true }), bit, (theta, [at, shift]) => {
        const words = new Uint32Array(theta.slice().buffer)
        words[at] = (words[at] ^ (1 << shift)) >>> 0
        const other = new Float32Array(words.buffer)
        fc.pre(other.every((value) => !Number.isNaN(value)))
        assert.notEqual(digestVector(theta, sha256), digestVector(other, sha256))
      }),
    )
  })
})

describe('The digest of the outer state', () => {
  it('is the SHA-256 of one line each for version, phase, theta and the slots by name', () => {
    const [theta, momentum, buffer] = [state.theta, state.slots.momentum, state.slots.buffer].map((vector) =>
      digestVector(vector, sha256),
    )
    const text = `version 7\nphase 1\ntheta ${theta}\nslot buffer ${buffer}\nslot momentum ${momentum}`
    assert.equal(stateDigest(state), sha256(Buffer.from(text)))
  })
  it('does not depend on the order in which the slots were made', () => {
    const { momentum, buffer } = state.slots
    assert.equal(stateDigest({ ...state, slots: { buffer, momentum } }), stateDigest(state))
  })
  const { momentum, buffer } = state.slots
  const changes: Record<string, string> = {
    version: stateDigest(state, 8),
    phases: stateDigest({ ...state, phases: [0] }),
    theta: stateDigest({ ...state, theta: Float32Array.of(1, 2.5) }),
    'a slot': stateDigest({ ...state, slots: { momentum, buffer: Float32Array.of(5, 7) } }),
    'which slot holds what': stateDigest({ ...state, slots: { momentum: buffer, buffer: momentum } }),
    'the set of slots': stateDigest({ ...state, slots: { momentum } }),
    'the name of a slot': stateDigest({ ...state, slots: { momentum, other: buffer } }),
  }
  for (const [what, digest] of Object.entries(changes)) {
    it(`changes with ${what}`, () => assert.notEqual(digest, stateDigest(state)))
  }
})
