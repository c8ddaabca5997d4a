// The door of a run that is not open to everyone: what the network asks of who knows the run and its members.
import type { PeerId } from '../core/ids.js'
import type { Chain } from '../wire/certificates.js'

/** How a peer proves that it belongs to the run. */
export interface Credential {
  readonly chain: Chain
  /** Where the chain ends with an invitation: signed with its key, for these two peers alone. */
  readonly bearer: Uint8Array | null
}

export type Refusal =
  /** No more is said to a peer that proved nothing. */
  | { readonly kind: 'refused' }
  /** It is in no run itself yet: worth asking again. */
  | { readonly kind: 'later' }
  /** Said only to who was invited once; `now` is the clock of the peer that refuses, ms since 1970. */
  | { readonly kind: 'expired'; readonly at: number; readonly now: number }
  | { readonly kind: 'revoked'; readonly now: number }

/** What a peer is told that is let in. */
export interface Admission {
  readonly genesis: string
  readonly leader: PeerId | null
  readonly leaderAddresses: readonly string[]
  /** Of who lets it in, in a run whose clusters are swarms of their own. */
  readonly cluster?: string
  /** That the other one is a member too. */
  readonly credential: Credential
  /** A chain that makes the peer a member, where that is shorter than the one it came with, or it came with an invitation. */
  readonly membership: Chain | null
}

export type Judgement = { readonly admission: Admission } | { readonly refusal: Refusal }

export interface Door {
  /** Whether this peer has entered its run: it then knocks at every peer that it calls. */
  readonly isIn: boolean
  /** Says which run is meant to who knows that run, and nothing to others; null where no run is known. */
  sign(from: PeerId, to: PeerId): Uint8Array | null
  /** What this peer shows to another that knows the run; null where it has nothing to show. */
  show(to: PeerId): Credential | null
  /** Whether a peer is let in. */
  judge(from: PeerId, credential: Credential): Judgement
  /** Another peer has let this one in: whether it may, which is not so if it is no member itself. */
  accept(from: PeerId, admission: Admission): boolean
  /** Whether a peer that was let in, or has let this one in, still belongs to the run. */
  stands(peer: PeerId): boolean
  /** A refusal by another peer, in words for the user of this one. */
  explain(refusal: Refusal): string
  /** A peer is connected, and nothing is known of it; only told until this peer has entered its run. */
  arrived(peer: PeerId): void
  left(peer: PeerId): void
}
