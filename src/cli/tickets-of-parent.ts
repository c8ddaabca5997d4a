// Tickets that `skein up` hands to the peers it starts: in their environment, which other users do not see.
import { isTicket } from '../wire/ticket.js'

const VARIABLE = 'SKEIN_TICKETS'

/** Tickets among what a peer is to call on go by the environment, addresses on the command line. */
export function callsFor(bootstrap: readonly string[]): {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
} {
  const tickets = bootstrap.filter(isTicket)
  const addresses = bootstrap.filter((text) => !isTicket(text))
  return {
    args: addresses.flatMap((address) => ['--bootstrap', address]),
    env: tickets.length === 0 ? {} : { [VARIABLE]: tickets.join(' ') },
  }
}

/** Those that a process with this environment was given. */
export function ticketsOfParent(env: NodeJS.ProcessEnv): readonly string[] {
  return (env[VARIABLE] ?? '').split(' ').filter((text) => text !== '')
}
