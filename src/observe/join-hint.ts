// How others get into the run, for as long as anybody can.
import type { EventRecord } from '../core/reports.js'
import { clean } from './format.js'

const loopback = /^\/(ip4\/127\.|ip6\/::1\/|dns[46]?\/localhost\/)/

/** The command that joins through this peer; null where it can only be reached from its own machine. */
export function joinHint({ ticket, addresses }: Extract<EventRecord, { type: 'listening' }>): string | null {
  if (ticket === null || addresses.every((address) => loopback.test(address))) return null
  return `to join from elsewhere: skein join ${clean(ticket)}`
}
