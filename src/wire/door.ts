// What is said at the door: two questions and two answers on one stream.
import { z } from 'zod'
import type { Admission, Credential, Refusal } from '../ports/door.js'
import { bytesOf, chainSchema, packChain, signatureSchema, unpackChain } from './certificates.js'
import { CONTROL_CAP_BYTES } from './codec.js'
import { addressesSchema, exactly, name, peerIdSchema } from './fields.js'

const signSchema = bytesOf(32)
const clock = z.int().nonnegative()

/** First question: null where no run is known. */
export const knockSchema = z.strictObject({ sign: signSchema.nullable() })

const refusalSchema = exactly<Refusal>()(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('refused') }),
    z.strictObject({ kind: z.literal('later') }),
    z.strictObject({ kind: z.literal('expired'), at: clock, now: clock }),
    z.strictObject({ kind: z.literal('revoked'), now: clock }),
  ]),
)
const refusedSchema = z.strictObject({ refusal: refusalSchema })

/** Its answer. */
export const knockAnswerSchema = z.union([z.strictObject({ sign: signSchema }), refusedSchema])

/** Second question. */
export const credentialSchema = z
  .strictObject({ chain: chainSchema, bearer: signatureSchema.nullable() })
  .transform(({ chain, bearer }): Credential => ({ chain: unpackChain(chain), bearer }))

const admissionSchema = z
  .strictObject({
    genesis: z.string().max(CONTROL_CAP_BYTES),
    leader: peerIdSchema.nullable(),
    leaderAddresses: addressesSchema,
    cluster: name.optional(),
    credential: credentialSchema,
    membership: chainSchema.transform(unpackChain).nullable(),
  })
  .transform((admission): Admission => admission)

/** Its answer. */
export const admissionAnswerSchema = z.union([z.strictObject({ admission: admissionSchema }), refusedSchema])

export const packCredential = ({ chain, bearer }: Credential) => ({ chain: packChain(chain), bearer })

export const packAdmission = ({ credential, membership, ...rest }: Admission) => ({
  admission: {
    ...rest,
    credential: packCredential(credential),
    membership: membership === null ? null : packChain(membership),
  },
})
