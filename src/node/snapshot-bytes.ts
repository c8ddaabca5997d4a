// A snapshot as bytes, the same on the wire and on disk: safetensors of the vectors, the ledger as metadata.
import { z } from 'zod'
import type { LedgerState } from '../core/ledger.js'
import type { OuterState } from '../outer/optimizer.js'
import { decodeSafetensors, encodeSafetensors } from '../store/safetensors.js'

const metadataSchema = z.object({
  ledger: z.string().transform((text) => JSON.parse(text) as LedgerState),
  phase: z.coerce.number().int().nonnegative(),
})

export interface Snapshot {
  readonly outer: OuterState
  readonly ledger: LedgerState
}

export function encodeSnapshot({ outer, ledger }: Snapshot): Uint8Array {
  const vectors = { theta: outer.theta, ...outer.slots }
  const tensors = Object.entries(vectors).map(([name, data]) => ({ name, shape: [data.length], data }))
  const pieces = encodeSafetensors(tensors, { ledger: JSON.stringify(ledger), phase: String(outer.phase) })
  return Buffer.concat(pieces)
}

/** Throws on bytes that are no snapshot; whether it is the right one, its digest tells. */
export function decodeSnapshot(bytes: Uint8Array): Snapshot {
  const { tensors, metadata } = decodeSafetensors(bytes)
  const { ledger, phase } = metadataSchema.parse(Object.fromEntries(metadata))
  const vectors = new Map<string, Float32Array>()
  for (const [name, { data }] of tensors) if (data instanceof Float32Array) vectors.set(name, data)
  const theta = vectors.get('theta')
  if (theta === undefined) throw new Error('the snapshot has no theta')
  vectors.delete('theta')
  return { outer: { theta, slots: Object.fromEntries(vectors), phase }, ledger }
}
