// How a peer reaches others and is reached, from what it was asked for and where it listens.
import type { ReachOptions } from '../network/reach/reach.js'
import type { Attempt } from '../ports/paths.js'
import type { PeerOptions } from './options.js'

/**
 * Null for a peer that stays on its machine: it listens there alone, and no relay is known to it. The relays that lead to
 * others lead to this peer too.
 */
export function reachOf({
  listen,
  announce,
  relays,
  upnp,
  certificate,
  bootstrap,
}: PeerOptions): ReachOptions | null {
  // Where faults are made, peers reach each other by the given addresses and by no others.
  if (announce !== null && announce.length === 0) return null
  const all = [...new Set([...relays, ...bootstrap.flatMap(relayOn)])]
  const staysHere = listen.every((address) => /^\/ip4\/127\.|^\/ip6\/::1\//.test(address))
  if (staysHere && all.length === 0) return null
  return { relays: all, relayBytesPerSecond: null, upnp, certificate }
}

/** The relay on the way to an address, if one is. */
export function relayOn(address: string): string[] {
  const at = address.indexOf('/p2p-circuit')
  return at < 0 ? [] : [address.slice(0, at)]
}

/** One line for people. */
export function attemptLine({ peer, address, by, outcome, reason, ms }: Attempt): string {
  const whom = peer === null || address.endsWith(peer) ? '' : ` of ${peer}`
  const how = outcome === 'connected' ? `answered after ${ms} ms` : `failed after ${ms} ms: ${reason}`
  return `${address}${whom} (${sources[by]}) ${how}`
}

const sources: Record<Attempt['by'], string> = {
  ticket: 'given',
  mdns: 'found on this network',
  dht: 'found in the hash table',
  memory: 'of an earlier run',
  exchange: 'told by another peer',
  itself: 'told by itself',
}
