// The options by which peers on other networks are reached: `peer`, `join` and `relay` share them.
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Role } from '../core/entries.js'
import { UserError } from '../core/user-error.js'
import type { PeerOptions } from '../node/options.js'

/** What `addReachable` adds. */
export interface ReachableOptions {
  readonly announce: readonly string[]
  readonly upnp: boolean
  readonly tlsCertificate?: string
  readonly tlsKey?: string
}

export interface ReachOptions extends ReachableOptions {
  readonly relay: readonly string[]
}

export interface RoleOptions {
  readonly role: Role | 'relay'
}

const collect = (text: string, before: readonly string[]): string[] => [...before, text]

/** Adds `--announce`, `--upnp` and those of a certificate. */
export function addReachable(command: Command): Command {
  return command
    .option(
      '--announce <address>',
      'multiaddr that others are told instead of those listened on, as where a router forwards a port; may be repeated; example: --announce /dns4/attic.example.org/tcp/4001',
      collect,
      [],
    )
    .option('--upnp', 'asks the router to let callers in, where it takes such requests', false)
    .option(
      '--tls-certificate <file>',
      'PEM file of a certificate for addresses with /tls/ws, read again when it is renewed; peers need none that is signed, some firewalls do; example: --tls-certificate fullchain.pem',
    )
    .option('--tls-key <file>', 'PEM file of its private key; example: --tls-key privkey.pem')
}

/** Adds what a peer behind a router needs: `--relay`, and its role. */
export function addReachOptions(command: Command): Command {
  return addReachable(command)
    .option(
      '--relay <address>',
      'multiaddr of a relay through which this peer is reached and reaches others, may be repeated; example: --relay /ip4/203.0.113.5/tcp/4001/p2p/12D3Koo...',
      collect,
      [],
    )
    .addOption(
      new Option(
        '--role <role>',
        'worker only trains; replica also holds the state of the run where it is needed, and may lead; relay does nothing but relay; example: --role worker',
      )
        .choices(['worker', 'replica', 'relay'])
        .default('replica'),
    )
}

const DEFAULT_MEGABYTES = 10

/** Adds `--max-relay`. */
export function addMaxRelay(command: Command): Command {
  return command.option(
    '--max-relay <megabytes>',
    'megabytes per second that are relayed at most, all peers together; example: --max-relay 2.5',
    (text: string) => {
      const value = Number(text)
      if (text.trim() === '' || !Number.isFinite(value) || value <= 0)
        throw new InvalidArgumentError('Expected a number above 0.')
      return value
    },
    DEFAULT_MEGABYTES,
  )
}

/** Null for what is listened on. */
export const announcedBy = ({ announce }: ReachableOptions): readonly string[] | null =>
  announce.length === 0 ? null : announce

/** Null for one that nobody has signed. @throws UserError where one file is given without the other */
export function certificateOf({ tlsCertificate, tlsKey }: ReachableOptions): PeerOptions['certificate'] {
  if (tlsCertificate !== undefined && tlsKey !== undefined) return { cert: tlsCertificate, key: tlsKey }
  if (tlsCertificate === undefined && tlsKey === undefined) return null
  const [given, missing] =
    tlsKey === undefined ? ['--tls-certificate', '--tls-key'] : ['--tls-key', '--tls-certificate']
  throw new UserError(
    'usage',
    `${given} without ${missing}`,
    'a certificate and its key go together; give both',
  )
}

/** A relay has no part in a run, and so no place in a command that joins one. @throws UserError for that role */
export function checkTrains<T extends RoleOptions>(options: T): asserts options is T & { role: Role } {
  if (options.role !== 'relay') return
  throw new UserError(
    'usage',
    '--role relay: a relay has no part in a run',
    'start it with `skein relay`, and give the address that it prints to the peers with --relay',
  )
}

/** As they were given, for a command line that goes on with the same. */
export function reachArguments(
  { relay, announce, upnp, tlsCertificate, tlsKey }: ReachOptions,
  { role }: RoleOptions,
): string[] {
  return [
    ...relay.flatMap((address) => ['--relay', address]),
    ...announce.flatMap((address) => ['--announce', address]),
    ...(upnp ? ['--upnp'] : []),
    ...(tlsCertificate === undefined ? [] : ['--tls-certificate', tlsCertificate]),
    ...(tlsKey === undefined ? [] : ['--tls-key', tlsKey]),
    ...(role === 'replica' ? [] : ['--role', role]),
  ]
}
