// Where to call: addresses as they are, tickets as the addresses and the run they stand for.
import type { RunId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import type { Invitation } from '../wire/certificates.js'
import { isTicket, readTicket } from '../wire/ticket.js'

export interface Target {
  /** Id of the run, where a ticket tells it. */
  readonly run: RunId | null
  /** Name of the run, where a ticket tells it. */
  readonly name: string | null
  readonly addresses: readonly string[]
  /** What lets this peer in, where a ticket has it. */
  readonly invitation: Invitation | null
}

/** Reads one multiaddr or ticket. Throws a `UserError` on anything else. */
export function readTarget(text: string): Target {
  if (isTicket(text)) return readTicket(text)
  if (text.startsWith('/')) return { run: null, name: null, addresses: [text], invitation: null }
  throw new UserError(
    'usage',
    `${text} is neither a multiaddr nor a ticket`,
    'give an address such as /ip4/192.168.0.7/tcp/4001, or the ticket (skein1...) that a peer of the run printed',
  )
}

/** Reads several; tickets of two runs cannot be meant together. */
export function readTargets(texts: readonly string[]): Omit<Target, 'name'> {
  const targets = texts.map(readTarget)
  const runs = [...new Set(targets.flatMap(({ run }) => run ?? []))]
  if (runs.length > 1)
    throw new UserError(
      'usage',
      `the tickets given belong to ${runs.length} different runs`,
      'give tickets of the one run that this peer shall join',
    )
  return {
    run: runs[0] ?? null,
    addresses: targets.flatMap(({ addresses }) => addresses),
    invitation: targets.find(({ invitation }) => invitation !== null)?.invitation ?? null,
  }
}
