// What a forked peer tells the command that started it.
import { z } from 'zod'
import type { EventRecord } from '../core/reports.js'
import { type ErrorKind, exitCodes, type UserError } from '../core/user-error.js'
import type { PeerOutcome } from '../node/options.js'

export type ChildMessage =
  | { readonly kind: 'record'; readonly record: EventRecord }
  | { readonly kind: 'outcome'; readonly outcome: PeerOutcome }
  | {
      readonly kind: 'failed'
      readonly error: { readonly kind: ErrorKind; readonly message: string; readonly remedy: string }
    }

const errorKinds = Object.keys(exitCodes) as [ErrorKind, ...ErrorKind[]]

// A record is only looked at by its type: the child runs the same program.
const childMessageSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('record'),
    record: z.looseObject({ type: z.string(), time: z.string(), peer: z.string() }),
  }),
  z.object({
    kind: z.literal('outcome'),
    outcome: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('finished'), reason: z.string() }),
      z.object({ kind: z.literal('stopped') }),
    ]),
  }),
  z.object({
    kind: z.literal('failed'),
    error: z.object({ kind: z.enum(errorKinds), message: z.string(), remedy: z.string() }),
  }),
])

/** A message of a child, or null for what is none (libraries may use the channel too). */
export function readChildMessage(message: unknown): ChildMessage | null {
  return (childMessageSchema.safeParse(message).data as ChildMessage | undefined) ?? null
}

/** Sends to the parent process; resolves once it left, or once there is nobody to tell. */
export function tellParent(message: ChildMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve()
    else process.send(message, undefined, undefined, () => resolve())
  })
}

export const failedMessage = ({ kind, message, remedy }: UserError): ChildMessage => ({
  kind: 'failed',
  error: { kind, message, remedy },
})
