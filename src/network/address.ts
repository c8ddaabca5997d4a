// Multiaddrs that people give: checked before they are called.
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { UserError } from '../core/user-error.js'
import { messageOf } from './errors.js'
import { peerOf } from './reach/rejoin.js'

/** @throws UserError if it is none */
export function addressFrom(text: string): Multiaddr {
  try {
    return multiaddr(text)
  } catch (error) {
    throw new UserError(
      'usage',
      `"${text}" is not an address: ${messageOf(error)}`,
      'give a multiaddr such as /ip4/192.168.1.5/tcp/4001/p2p/12D3Koo..., as the other peer prints it',
    )
  }
}

/** Where an address leads, whoever is there. */
export const withoutPeer = (address: string): string => address.replace(/\/p2p\/[^/]+$/, '')

/** @throws UserError if it is none, or does not say which peer the relay is */
export function checkRelay(text: string): void {
  addressFrom(text)
  if (peerOf(text) !== null) return
  throw new UserError(
    'usage',
    `"${text}" does not say which peer the relay is`,
    'give the address that `skein relay` prints, which ends in /p2p/12D3Koo...',
  )
}

/** That of an address which names no port. */
export const incomplete = (address: string): UserError =>
  new UserError(
    'usage',
    `"${address}" is not an address that can be called: it has no port.`,
    'Give a multiaddr such as /ip4/192.168.1.5/tcp/4001/p2p/12D3Koo..., as the other peer prints it.',
  )
