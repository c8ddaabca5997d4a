// Orders to a peer that runs, as a file in its folder: whoever may write there may give them.
import { readFileSync, rmSync } from 'node:fs'
import { z } from 'zod'
import type { PeerId } from '../core/ids.js'
import { peerIdSchema, text } from '../wire/fields.js'
import { replaceFile } from './loose-file.js'

/** The one order that there is: to have a peer, or those who came in by an invitation, shut out. */
export interface Order {
  readonly shutOut: PeerId
  readonly reason: string
}

const orderSchema = z.strictObject({ shutOut: peerIdSchema, reason: text }) satisfies z.ZodType<Order>

export const giveOrder = (path: string, order: Order): void => replaceFile(path, JSON.stringify(order))

/** The order that waits, which is then taken; null where there is none, or one that nobody can read. */
export function takeOrder(path: string): Order | null {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
    rmSync(path)
  } catch {
    return null
  }
  try {
    return orderSchema.parse(JSON.parse(content))
  } catch {
    return null
  }
}
