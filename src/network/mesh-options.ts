// What a peer decides about its network before that begins.
import type { Door } from '../ports/door.js'
import type { MeshHandlers } from '../ports/mesh.js'
import type { Attempt } from '../ports/paths.js'
import type { LinkConfig } from '../swarmfile/schema.js'
import type { Caps } from './flow/budget.js'
import type { ReachOptions } from './reach/reach.js'

export interface MeshOptions {
  /** This peer's identity, from `generateIdentity`; a restarted peer needs the same one. */
  readonly privateKey: Uint8Array
  /** Multiaddrs to listen on; port 0 takes any free one. */
  readonly listen: readonly string[]
  /** Multiaddrs that others are told; those listened on unless given. */
  readonly announce?: readonly string[] | null
  /** Multiaddrs to call on until they answer. */
  readonly bootstrap?: readonly string[]
  /** Finds peers on the local network. */
  readonly mdns: boolean
  readonly handlers: MeshHandlers
  /** Key of a private network: with another, or none, nobody gets a word through. */
  readonly psk?: Uint8Array | null
  /** Who may come in; whoever reaches this peer, where there is none. */
  readonly door?: Door | null
  /** Links to emulate between clusters. */
  readonly links: readonly LinkConfig[]
  /** This peer's own cluster, as far as it is known before a run is entered. */
  readonly cluster: string
  /** Caps on all bytes of this peer; none unless given. */
  readonly caps?: Caps
  /** Folder for large content while it comes, so that a peer that was killed goes on with it; null for none. */
  readonly partial?: string | null
  /** Ways to and from other networks; on its own network alone unless given. */
  readonly reach?: ReachOptions | null
  /** Called for every call at an address. */
  readonly attempted?: (attempt: Attempt) => void
  readonly log: (message: string) => void
}
