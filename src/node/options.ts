// What it takes to start one peer, and how it ended: the contract between the node and the commands.

import type { Role } from '../core/entries.js'
import type { RunId } from '../core/ids.js'
import type { EventRecord } from '../core/reports.js'
import type { CertificateFiles } from '../network/reach/certificate.js'
import type { SwarmFile } from '../swarmfile/schema.js'
import type { Invitation } from '../wire/certificates.js'

export interface PeerOptions {
  /** The swarm file after defaults and overrides; null for a peer that joins a run with no file. */
  readonly swarm: SwarmFile | null
  /** This peer's name; unique in the run. */
  readonly name: string
  /** Overrides the cluster that the file gives; required to be known in the run. */
  readonly cluster: string | null
  /** Founds the run (the first peer of the file); others wait to be told of it. */
  readonly founder: boolean
  /** Addresses to call on besides those found by mDNS. */
  readonly bootstrap: readonly string[]
  /** From a ticket: the only run this peer will join. */
  readonly run: RunId | null
  /** From a ticket: what lets this peer in. */
  readonly invitation: Invitation | null
  /** Key of a private network, as swarm.key files hold it; null for none. */
  readonly psk: Uint8Array | null
  readonly listen: readonly string[]
  /** What it tells others of where it can be reached; null for what it listens on. */
  readonly announce: readonly string[] | null
  readonly slowdown: number
  /** Sequences of a batch taken at once, at most; null for all of them. */
  readonly microBatch: number | null
  /** Path of the corpus on this machine, where it is not the built-in one. */
  readonly corpus: string | null
  /** The run folder; shared by the local peers of a run. */
  readonly folder: string
  readonly resume: boolean
  readonly engine: string
  /** Which of several GPUs; null where none was asked for. */
  readonly device: number | null
  readonly threads: number
  /** Leader only: overrides the run's stop rule by a number of versions. */
  readonly stopAfter: number | null
  /** Caps on all bytes of this peer, per second; null for none. */
  readonly maxUpload: number | null
  readonly maxDownload: number | null
  readonly mdns: boolean
  /** Multiaddrs of relays through which it is reached and reaches others, besides those on the way to `bootstrap`. */
  readonly relays: readonly string[]
  /** Asks the router to let callers in. */
  readonly upnp: boolean
  /** For listening on secure WebSockets; null for one that nobody has signed. */
  readonly certificate: CertificateFiles | null
  readonly role: Role
  readonly verbose: boolean
}

/** How a peer ended. */
export type PeerOutcome =
  | { readonly kind: 'finished'; readonly reason: string }
  /** Asked to stop (Ctrl-C): state is saved, `--resume` goes on. */
  | { readonly kind: 'stopped' }

/** Starts a peer and runs it to its end. Rejects with a `UserError` for what the user can mend. */
export type RunPeer = (
  options: PeerOptions,
  report: (record: EventRecord) => void,
  stop: AbortSignal,
) => Promise<PeerOutcome>
