// Chains of certificates: what they prove, and that a changed byte anywhere proves nothing.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type PeerId, runId } from '../../src/core/ids.js'
import { type KeyPair, keyPairOfSeed, verifySignature } from '../../src/network/door/signatures.js'
import {
  type Certificate,
  type Chain,
  CLOCK_TOLERANCE_MS,
  certify,
  chainSchema,
  type Grounds,
  keyOfPeerId,
  MAX_CHAIN,
  packChain,
  peerIdOfKey,
  unpackChain,
  verifyChain,
} from '../../src/wire/certificates.js'
import { CONTROL_CAP_BYTES, decode, encode } from '../../src/wire/codec.js'

const run = runId('a'.repeat(64))
const EXPIRES = 1_000_000_000

let keys: KeyPair[]
const grounds = (changes: Partial<Grounds> = {}): Grounds => ({
  run,
  founder: keys[0].id,
  verify: verifySignature,
  isRevoked: () => false,
  now: 0,
  ...changes,
})
const member = (by: KeyPair, holder: PeerId, invitation: PeerId | null = null): Certificate => {
  const through = invitation === null ? null : { invitation, by: keys[7].id }
  return certify(run, by.id, { holder, kind: 'member', expires: null, through }, by.sign)
}
const invitation = (by: KeyPair, holder: PeerId): Certificate =>
  certify(run, by.id, { holder, kind: 'invitation', expires: EXPIRES, through: null }, by.sign)
/** Founder to member to member to invitation. */
const chainOfThree = (): Chain => [
  member(keys[0], keys[1].id, keys[5].id),
  member(keys[1], keys[2].id, keys[6].id),
  invitation(keys[2], keys[3].id),
]

describe('A chain of certificates', () => {
  before(async () => {
    keys = await Promise.all(
      Array.from({ length: MAX_CHAIN + 2 }, (_, i) => keyPairOfSeed(new Uint8Array(32).fill(i + 1))),
    )
  })

  it('proves what its last certificate says, from the founder on', () => {
    assert.deepEqual(verifyChain([], grounds()), {
      by: keys[0].id,
      holder: keys[0].id,
      kind: 'member',
      through: null,
    })
    assert.deepEqual(verifyChain(chainOfThree(), grounds()), {
      by: keys[2].id,
      holder: keys[3].id,
      kind: 'invitation',
      through: null,
    })
  })

  it('is the same after it has travelled', () => {
    const chain = chainOfThree()
    const travelled = decode(encode(packChain(chain)), chainSchema, CONTROL_CAP_BYTES)
    assert.deepEqual(unpackChain(travelled), chain)
    assert.equal(peerIdOfKey(keyOfPeerId(keys[0].id)), keys[0].id)
  })

  it('proves nothing once any byte of any certificate is changed', () => {
    const packed = packChain(chainOfThree())
    fc.assert(
      fc.property(
        fc.nat({ max: 2 }),
        fc.constantFrom('holder', 'invitation', 'inviter', 'signature'),
        fc.nat({ max: 63 }),
        fc.integer({ min: 1, max: 255 }),
        (nth, field, at, flip) => {
          const copy = structuredClone(packed)
          const [holder, , , through, signature] = copy[nth]
          const bytes = { holder, invitation: through?.[0], inviter: through?.[1], signature }[field]
          fc.pre(bytes !== undefined && at < bytes.byteLength)
          if (bytes !== undefined) bytes[at] ^= flip
          assert.deepEqual(verifyChain(unpackChain(copy), grounds()), { kind: 'forged' })
        },
      ),
      { numRuns: 60 },
    )
  })

  it('proves nothing with another expiry, kind, order, length, run or founder', () => {
    const chain = chainOfThree()
    const [first, second, third] = chain
    const forged: [string, Chain, Partial<Grounds>][] = [
      ['later', [first, second, { ...third, expires: EXPIRES + 1 }], {}],
      ['for ever', [first, second, { ...third, expires: null }], {}],
      ['a member', [first, second, { ...third, kind: 'member' }], {}],
      ['a gap', [first, third], {}],
      ['turned', [second, first, third], {}],
      ['twice', [first, first, second, third], {}],
      ['another run', chain, { run: runId('b'.repeat(64)) }],
      ['another founder', chain, { founder: keys[4].id }],
    ]
    for (const [what, made, changes] of forged)
      assert.deepEqual(verifyChain(made, grounds(changes)), { kind: 'forged' }, what)
  })

  it('is not continued by an invitation, whoever holds its key', () => {
    const chain = [invitation(keys[0], keys[1].id), member(keys[1], keys[2].id)]
    assert.deepEqual(verifyChain(chain, grounds()), { kind: 'forged' })
  })

  it('is bounded in length', () => {
    const chain = Array.from({ length: MAX_CHAIN + 1 }, (_, i) => member(keys[i], keys[i + 1].id))
    assert.deepEqual(verifyChain(chain, grounds()), { kind: 'forged' })
    assert.equal(verifyChain(chain.slice(0, MAX_CHAIN), grounds()).kind, 'member')
  })

  it('expires when its invitation does, with a tolerance for clocks that differ', () => {
    const chain = chainOfThree()
    const at = (now: number) => verifyChain(chain, grounds({ now })).kind
    assert.equal(at(EXPIRES + CLOCK_TOLERANCE_MS), 'invitation')
    assert.equal(at(EXPIRES + CLOCK_TOLERANCE_MS + 1), 'expired')
  })

  it('is void once a peer or invitation in it is revoked, and a stranger is not told', () => {
    const chain = chainOfThree()
    for (const i of [0, 1, 2, 3, 5, 6]) {
      const isRevoked = (who: PeerId) => who === keys[i].id
      assert.deepEqual(verifyChain(chain, grounds({ isRevoked })), { kind: 'revoked', who: keys[i].id })
      const forged = [...chain.slice(0, 2), { ...chain[2], signature: new Uint8Array(64) }]
      assert.deepEqual(verifyChain(forged, grounds({ isRevoked })), { kind: 'forged' })
    }
    assert.equal(verifyChain(chain, grounds({ isRevoked: (who) => who === keys[4].id })).kind, 'invitation')
  })
})
