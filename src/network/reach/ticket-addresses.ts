// Which of a peer's addresses a ticket names: a few, of every kind, since nobody knows where its bearer is.
import { multiaddr } from '@multiformats/multiaddr'
import { isLoopback, pathKind } from './paths.js'

/** Each takes about 40 characters of the ticket, twice as many where a relay is on the way. */
const MOST_ADDRESSES = 6

/**
 * The addresses that a ticket names: the first of each kind, then the second of each, as long as there is room. Relays
 * on the way to them are those that the bearer will use itself.
 */
export function ticketAddresses(addresses: readonly string[]): readonly string[] {
  const all = [...new Set(addresses)]
  const byKind = order.map((kind) => all.filter((address) => kindOf(address) === kind))
  const turns = Math.max(...byKind.map(({ length }) => length))
  const inTurn = Array.from({ length: turns }, (_, turn) =>
    byKind.flatMap((some) => some.slice(turn, turn + 1)),
  )
  return inTurn.flat().slice(0, MOST_ADDRESSES)
}

/** Of use to most bearers first. */
const order = ['direct', 'relayed', 'lan', 'loopback', 'punched'] as const

function kindOf(text: string): (typeof order)[number] {
  const address = multiaddr(text)
  return isLoopback(address) && pathKind(address) === 'lan' ? 'loopback' : pathKind(address)
}
