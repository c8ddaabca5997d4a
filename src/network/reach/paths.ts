// What an address says of the way to a peer, and in which order addresses are worth a call.
import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Connection } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { PathKind } from '../../ports/paths.js'
import type { MemberReach } from '../../ports/status.js'

/** Least first: of several connections to a peer the first is used. */
const preference: Record<PathKind, number> = { lan: 0, direct: 1, punched: 2, relayed: 3 }

/** Addresses that no router of the internet forwards. */
const privateNetworks = blockList([
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['127.0.0.0', 8],
  ['fc00::', 7],
  ['fe80::', 10],
  ['::1', 128],
])
const loopback = blockList([
  ['127.0.0.0', 8],
  ['::1', 128],
])

/** The path that a connection with this remote address takes. */
export function pathKind(address: Multiaddr): PathKind {
  const names = address.getComponents().map(({ name }) => name)
  if (names.includes('webrtc')) return 'punched'
  if (names.includes('p2p-circuit')) return 'relayed'
  const ip = ipOf(address)
  return ip !== null && isIn(privateNetworks, ip) ? 'lan' : 'direct'
}

/** From where a peer with these addresses is reached; what it says of itself, and is no address, is passed over. */
export function reachBy(addresses: readonly string[]): MemberReach {
  const kinds = addresses.flatMap(parsed).map((address) => (isLoopback(address) ? null : pathKind(address)))
  if (kinds.includes('direct')) return 'public'
  if (kinds.includes('relayed')) return 'relayed'
  return kinds.includes('lan') ? 'lan' : 'none'
}

function parsed(address: string): Multiaddr[] {
  try {
    return [multiaddr(address)]
  } catch {
    return []
  }
}

/** Whether one path is to be preferred to another. */
export const isBetter = (one: PathKind, other: PathKind): boolean => preference[one] < preference[other]

/** The best of several connections to a peer. */
export function bestOf(connections: readonly Connection[]): Connection | undefined {
  return connections.reduce<Connection | undefined>(
    (best, one) =>
      best === undefined || isBetter(pathKind(one.remoteAddr), pathKind(best.remoteAddr)) ? one : best,
    undefined,
  )
}

export const isRelayed = (address: Multiaddr): boolean => pathKind(address) === 'relayed'

/** Reachable from this machine alone. */
export function isLoopback(address: Multiaddr): boolean {
  const ip = ipOf(address)
  return ip !== null && isIn(loopback, ip)
}

/** The address in it that a machine has, not that of a peer behind a relay; null for a name. */
export function ipOf(address: Multiaddr): string | null {
  const first = address.getComponents()[0]
  return (first?.name === 'ip4' || first?.name === 'ip6') && first.value !== undefined ? first.value : null
}

/** TCP port of an address; null if it has none. */
export function portOf(address: Multiaddr): number | null {
  const port = address.getComponents().find(({ name }) => name === 'tcp')?.value
  return port === undefined ? null : Number(port)
}

/** An address, and how long a call there may take. */
export interface Callable {
  readonly address: string
  readonly patienceMs: number
}

/** Where an answer comes for sure it may take as long as a handshake between busy machines; elsewhere often none comes. */
const patienceMs = { sure: 10_000, likely: 5_000, unlikely: 3_000 } as const

/**
 * The addresses of a peer in the order to call them: where it was reached last, on a network of this machine, in
 * public, by relay; and at last on private networks of others and on this very machine, where mostly nobody answers,
 * or somebody else.
 *
 * @param worked where it answered last
 */
export function callOrder(addresses: readonly string[], worked: string | null): readonly Callable[] {
  const near = ownNetworks()
  const ranked = addresses.map((text) => {
    const address = multiaddr(text)
    const ip = ipOf(address)
    if (text === worked) return { text, rank: 0, patience: patienceMs.sure }
    if (isRelayed(address)) return { text, rank: 3, patience: patienceMs.sure }
    if (ip !== null && isIn(loopback, ip)) return { text, rank: 5, patience: patienceMs.sure }
    if (ip !== null && isIn(near, ip)) return { text, rank: 1, patience: patienceMs.sure }
    return pathKind(address) === 'lan'
      ? { text, rank: 4, patience: patienceMs.unlikely }
      : { text, rank: 2, patience: patienceMs.likely }
  })
  return ranked
    .sort((a, b) => a.rank - b.rank)
    .map(({ text, patience }) => ({ address: text, patienceMs: patience }))
}

function ownNetworks(): BlockList {
  const list = new BlockList()
  for (const { address, cidr, family } of Object.values(networkInterfaces()).flatMap((all) => all ?? [])) {
    const bits = Number(cidr?.split('/')[1])
    if (Number.isInteger(bits)) list.addSubnet(address, bits, family === 'IPv6' ? 'ipv6' : 'ipv4')
  }
  return list
}

function blockList(subnets: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList()
  for (const [address, bits] of subnets)
    list.addSubnet(address, bits, address.includes(':') ? 'ipv6' : 'ipv4')
  return list
}

/** No router of the internet forwards it. */
export const isPrivateIp = (ip: string): boolean => isIn(privateNetworks, ip)

const isIn = (list: BlockList, ip: string): boolean => list.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4')
