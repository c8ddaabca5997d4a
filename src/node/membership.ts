// This peer's place in its run: its certificates, whom it lets in, and what it shows to be let in itself.
import { createHash, randomBytes } from 'node:crypto'
import type { Passage } from '../core/entries.js'
import type { PeerId, RunId } from '../core/ids.js'
import { type KeyPair, keyPairOfSeed, verifySignature } from '../network/door/signatures.js'
import { sha256 } from '../platform/sha256.js'
import type { Admission, Credential, Door, Judgement, Refusal } from '../ports/door.js'
import { type Genesis, genesisText, parseGenesis, runIdOf } from '../swarmfile/genesis.js'
import {
  bearerStatement,
  type Chain,
  certify,
  type Invitation,
  isFlaw,
  MAX_CHAIN,
  type Proved,
  verifyChain,
} from '../wire/certificates.js'
import { encode } from '../wire/codec.js'
import { clockWords, isoMinute } from './clock-words.js'
import type { KnownLeader } from './founding.js'

export interface MembershipParts {
  readonly self: KeyPair
  /** The only run that this peer will enter; null for a founder that has not made it yet. */
  readonly run: RunId | null
  /** From a ticket. */
  readonly invitation: Invitation | null
  /** What an earlier start was given. */
  readonly chain: Chain | null
  /** Keeps a chain for the next start. */
  readonly keep: (chain: Chain) => void
  /** ms since 1970. */
  readonly now: () => number
}

/** What is known of the run once this peer has entered it. */
interface Inside {
  readonly run: RunId
  readonly genesis: Genesis
  readonly leader: () => KnownLeader
}

export class Membership implements Door {
  /** Peers that are connected while this one still looks for its run. */
  readonly arrivals = new Set<PeerId>()
  /** Called for each of them. */
  search: { greet(peer: PeerId): void; lost(peer: PeerId): void } | null = null
  /** By what those came in that proved that they belong to the run. */
  readonly #proofs = new Map<PeerId, { readonly chain: Chain; readonly passage: Passage | null }>()
  /** Peers and invitations that were revoked. */
  readonly #revoked = new Set<PeerId>()
  #chain: Chain | null
  #inside: Inside | null = null

  private constructor(
    private readonly parts: MembershipParts,
    private readonly bearer: KeyPair | null,
  ) {
    this.#chain = parts.chain
  }

  static async of(parts: MembershipParts): Promise<Membership> {
    const { invitation } = parts
    return new Membership(parts, invitation === null ? null : await keyPairOfSeed(invitation.seed))
  }

  get isIn(): boolean {
    return this.#inside !== null
  }

  /** From here on this peer lets others in. */
  enter(genesis: Genesis, leader: () => KnownLeader): void {
    this.#inside = { run: runIdOf(genesis, sha256), genesis, leader }
    if (genesis.founder === this.parts.self.id) this.#chain = []
    this.arrivals.clear()
    this.search = null
  }

  /** A peer, or all that came in by an invitation, belong to the run no more. */
  revoke(who: PeerId): void {
    this.#revoked.add(who)
  }

  /** How a peer came in, as far as its certificates say; null for the founder and for a stranger. */
  passageOf(peer: PeerId): Passage | null {
    return peer === this.parts.self.id ? this.#ownPassage() : (this.#proofs.get(peer)?.passage ?? null)
  }

  /** A new invitation to the run, signed by this peer. Null where it is no member yet, or too far from the founder. */
  invite(expires: number | null): Promise<Invitation | null> {
    const run = this.#run()
    if (run === null || this.#chain === null) return Promise.resolve(null)
    return invite(run, this.parts.self, this.#chain, expires)
  }

  sign(from: PeerId, to: PeerId): Uint8Array | null {
    const run = this.#run()
    if (run === null) return null
    return new Uint8Array(
      createHash('sha256')
        .update(encode(['skein: this run is meant', run, from, to]))
        .digest(),
    )
  }

  show(to: PeerId): Credential | null {
    const run = this.#run()
    if (this.#chain !== null) return { chain: this.#chain, bearer: null }
    const { self, invitation } = this.parts
    if (run === null || invitation === null || this.bearer === null) return null
    return { chain: invitation.chain, bearer: this.bearer.sign(bearerStatement(run, self.id, to)) }
  }

  judge(from: PeerId, credential: Credential): Judgement {
    if (this.#inside === null) return { refusal: { kind: 'later' } }
    const { genesis, leader } = this.#inside
    const now = this.parts.now()
    const proved = this.#prove(from, credential, genesis.founder, now)
    if (isFlaw(proved)) {
      if (proved.kind === 'forged') return { refusal: { kind: 'refused' } }
      if (proved.kind === 'expired') return { refusal: { kind: 'expired', at: proved.at, now } }
      return { refusal: { kind: 'revoked', now } }
    }
    const own = this.show(from)
    if (own === null) return { refusal: { kind: 'later' } }
    const passage = passageOf(proved)
    const membership = this.#certificateFor(from, credential.chain, proved.kind, passage)
    this.#proofs.set(from, { chain: credential.chain, passage })
    return { admission: { genesis: genesisText(genesis), ...leader(), credential: own, membership } }
  }

  accept(from: PeerId, { genesis: text, credential, membership }: Admission): boolean {
    const genesis = this.#inside?.genesis ?? this.#genesisOf(text)
    if (genesis === null) return false
    const now = this.parts.now()
    const proved = this.#prove(from, credential, genesis.founder, now)
    if (isFlaw(proved)) return false
    this.#proofs.set(from, { chain: credential.chain, passage: passageOf(proved) })
    if (membership !== null) this.#take(membership, genesis.founder, now)
    return true
  }

  stands(peer: PeerId): boolean {
    const proof = this.#proofs.get(peer)
    if (proof === undefined || this.#inside === null || this.#revoked.has(peer)) return false
    // Who is in stays in when the invitation expires.
    return !isFlaw(verifyChain(proof.chain, this.#grounds(this.#inside.genesis.founder, 0)))
  }

  explain(refusal: Refusal): string {
    const { run, invitation, now } = this.parts
    switch (refusal.kind) {
      case 'later':
        return 'it is in no run yet'
      case 'expired':
        return `the ticket expired on ${isoMinute(refusal.at)}${clockWords(refusal.now, now())}`
      case 'revoked':
        return 'this peer, its ticket, or the member that signed it was revoked'
      case 'refused': {
        if (run === null || (invitation === null && this.#chain === null))
          return 'it lets in only peers that have a ticket, and this one has none'
        return `it does not belong to run ${run.slice(0, 12)}, or that run does not know this ticket`
      }
    }
  }

  arrived(peer: PeerId): void {
    this.arrivals.add(peer)
    this.search?.greet(peer)
  }

  left(peer: PeerId): void {
    this.arrivals.delete(peer)
    this.search?.lost(peer)
  }

  #run(): RunId | null {
    return this.#inside?.run ?? this.parts.run
  }

  #grounds(founder: PeerId, now: number) {
    const isRevoked = (who: PeerId) => this.#revoked.has(who)
    return { run: this.#run() as RunId, founder, verify: verifySignature, isRevoked, now }
  }

  /** A chain proves something of the key at its end: a member's is the connection's own, an invitation's has signed for it. */
  #prove(from: PeerId, { chain, bearer }: Credential, founder: PeerId, now: number) {
    const run = this.#run() as RunId
    const proved = verifyChain(chain, this.#grounds(founder, now))
    if (isFlaw(proved) && proved.kind === 'forged') return proved
    const last = chain.at(-1)
    const isOwn =
      last === undefined || last.kind === 'member'
        ? (last?.holder ?? founder) === from
        : bearer !== null &&
          verifySignature(last.holder, bearerStatement(run, from, this.parts.self.id), bearer)
    if (!isOwn) return { kind: 'forged' } as const
    return this.#revoked.has(from) ? ({ kind: 'revoked', who: from } as const) : proved
  }

  /** Members vouch for each other by the shortest chain that there is. */
  #certificateFor(
    holder: PeerId,
    theirs: Chain,
    kind: Proved['kind'],
    through: Passage | null,
  ): Chain | null {
    const run = this.#run()
    const { self } = this.parts
    if (run === null || this.#chain === null || this.#chain.length >= MAX_CHAIN) return null
    if (kind === 'member' && this.#chain.length + 1 >= theirs.length) return null
    const body = { holder, kind: 'member', expires: null, through } as const
    return [...this.#chain, certify(run, self.id, body, self.sign)]
  }

  #take(chain: Chain, founder: PeerId, now: number): void {
    const { self, keep } = this.parts
    const proved = verifyChain(chain, this.#grounds(founder, now))
    if (isFlaw(proved) || proved.kind !== 'member' || proved.holder !== self.id) return
    this.#chain = chain
    keep(chain)
  }

  #ownPassage(): Passage | null {
    return this.#chain?.at(-1)?.through ?? null
  }

  /** The genesis that another peer tells, if it is that of the run that is meant. */
  #genesisOf(text: string): Genesis | null {
    try {
      const genesis = parseGenesis(text)
      return runIdOf(genesis, sha256) === this.parts.run ? genesis : null
    } catch {
      return null
    }
  }
}

/** A new invitation to a run, by a member with this chain. Null where the chain would become too long. */
export async function invite(
  run: RunId,
  by: KeyPair,
  chain: Chain,
  expires: number | null,
): Promise<Invitation | null> {
  if (chain.length >= MAX_CHAIN) return null
  const seed = new Uint8Array(randomBytes(32))
  const { id: holder } = await keyPairOfSeed(seed)
  const certificate = certify(run, by.id, { holder, kind: 'invitation', expires, through: null }, by.sign)
  return { seed, chain: [...chain, certificate] }
}

const passageOf = ({ kind, holder, by, through }: Proved): Passage | null =>
  kind === 'invitation' ? { invitation: holder, by } : through
