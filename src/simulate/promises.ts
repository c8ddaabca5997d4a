// The design's promises, checked after every event of a simulation. A broken one stops it at once.

import { applyEntry } from '../core/apply-entry.js'
import { changesTheta, type Entry, isVerdict, type OuterEntry, payloadsOf } from '../core/entries.js'
import type { Hash, Index, PeerId, Version } from '../core/ids.js'
import type { Configuration, LedgerState } from '../core/ledger.js'
import { entryAt, lastPoint, termAt } from '../core/log.js'
import type { Message } from '../core/messages.js'
import type { PeerState, Replica } from '../core/state.js'
import { type Snapshot, VersionBroken } from '../outer/snapshot.js'
import { checkPeerBounds, checkReplicaBounds } from './bounds.js'
import { broken } from './broken-promise.js'
import type { VirtualDisk } from './disk.js'
import { isMostOf, LeaderPromises } from './leader-promises.js'
import type { OuterSteps } from './outer-steps.js'
import type { SimulatedPeer } from './peer.js'
import { WorkPromises } from './work-promises.js'

/** The part of a disk by which entries become committed. */
type Kept = Pick<VirtualDisk, 'log' | 'payloads'>

/** Sees every state of a swarm, and knows every committed entry. */
export class Promises {
  readonly work: WorkPromises
  readonly #leaders: LeaderPromises
  readonly #digestOf = new Map<Version, Hash>()
  readonly #versionOf = new Map<string, Version>()
  /** Up to which entry a peer's committed log was compared. */
  readonly #comparedOf = new Map<string, Index>()
  readonly #committed: Entry[] = []
  readonly #seen = new Map<string, PeerState>()
  /** What was on disks that were lost. */
  readonly #lost = new Map<PeerId, Kept>()
  /** What the committed ledger alone says; `null` vectors once a version cannot be made. */
  #ledger: LedgerState
  #outer: Snapshot | null

  constructor(
    /** What the run begins with. */
    first: Snapshot,
    private readonly outerSteps: OuterSteps,
    private readonly peers: ReadonlyMap<PeerId, SimulatedPeer>,
  ) {
    this.work = new WorkPromises(first.ledger)
    this.#leaders = new LeaderPromises(peers)
    this.#ledger = first.ledger
    this.#outer = first
    this.#digestOf.set(first.ledger.version, first.stateDigest)
  }

  /** The committed ledger, from its first entry. */
  get committed(): readonly Entry[] {
    return this.#committed
  }

  /** The state after the committed ledger. */
  get ledger(): LedgerState {
    return this.#ledger
  }

  check(peer: SimulatedPeer, state: PeerState): void {
    const { name } = peer
    const before = this.#seen.get(name)
    this.#seen.set(name, state)
    this.#leaders.checkTerm(peer, state, before)
    if (state.replica !== null && state.leader !== before?.leader) this.#leaders.checkFollowed(name, state)
    if (state.replica !== null && state.replica !== before?.replica)
      this.#checkReplica(peer, state.replica, before?.replica ?? null)
    if (state.replica !== null && state.lead === null) this.#leaders.checkMatched(name, state, state.replica)
    if (state.replica === null) this.#versionOf.delete(name)
    if (state.lead !== null && state.lead !== before?.lead)
      this.#leaders.checkLead(name, state, state.lead, before, this.#committed.at(-1))
    checkPeerBounds(name, state)
  }

  /** A peer that lost its memory or its outer state may hold an older version again. */
  forget(name: string): void {
    this.#versionOf.delete(name)
    this.#comparedOf.delete(name)
    this.#seen.delete(name)
  }

  /** Its disk is about to be lost: what it held counted when it was acknowledged. */
  wiped({ id, name, disk: { log, payloads } }: SimulatedPeer): void {
    this.forget(name)
    this.#lost.set(id, { log, payloads: new Map(payloads) })
  }

  /** What others count on must be durable when it leaves, with all that it stands for. */
  sent(peer: SimulatedPeer, message: Message): void {
    if (message.type === 'vote' && message.granted && !message.pre) this.#leaders.voted(peer, message.term)
    if (message.type === 'appended' && message.ok && !this.#holds(peer.disk, message.index))
      broken(`${peer.name} acknowledges entry ${message.index}, which is not durable there with its payload`)
  }

  /** Who holds a state in which a bit flipped, or that came of one. */
  get sick(): readonly string[] {
    return [...this.peers.values()].flatMap(({ name, memory }) => {
      const replica = memory?.state.replica
      const held = replica == null ? undefined : memory?.snapshots.get(replica.applied)
      return held !== undefined && this.outerSteps.isWrong(held.outer) ? [name] : []
    })
  }

  /** Everyone who makes the newest version makes the same of it. */
  everyoneAgrees(): void {
    const digests = new Map<Hash, string>()
    for (const { name, memory } of this.peers.values()) {
      const replica = memory?.state.replica
      if (replica?.applied === this.#ledger.version) digests.set(replica.stateDigest, name)
    }
    if (digests.size > 1)
      broken(`${[...digests.values()].join(' and ')} hold two versions ${this.#ledger.version}`)
  }

  /** Whether a disk has the log up to an entry, with the payloads that it names. */
  #holds(disk: VirtualDisk, index: Index): boolean {
    const { log, payloads } = disk
    if (index > lastPoint(log).index) return false
    return log.log.every(
      (entry) => entry.index > index || payloadsOf(entry).every((payload) => payloads.has(payload)),
    )
  }

  #checkReplica(peer: SimulatedPeer, replica: Replica, before: Replica | null): void {
    const { name } = peer
    const { ledger, applied, healing } = replica
    checkReplicaBounds(name, replica)
    this.#compare(peer, replica, before)
    if (healing !== null) {
      this.#versionOf.delete(name)
      return
    }
    const held = peer.held(applied)?.outer
    const isSick = held !== undefined && this.outerSteps.isWrong(held)
    if (!isSick && replica.stateDigest !== this.#digestOf.get(applied))
      broken(`${name} holds another version ${applied} than the ledger leads to`)
    if (applied < (this.#versionOf.get(name) ?? 0)) broken(`the version of ${name} fell to ${applied}`)
    this.#versionOf.set(name, applied)
    if (applied > ledger.version) broken(`${name} holds version ${applied} before its entry is committed`)
  }

  /** What one replica has committed, every other has committed or will, entry by entry. */
  #compare(peer: SimulatedPeer, replica: Replica, before: Replica | null): void {
    const { name } = peer
    const { index } = replica.ledger
    const from = Math.max(this.#comparedOf.get(name) ?? 0, replica.base.index)
    if (index < (this.#comparedOf.get(name) ?? 0)) broken(`the ledger of ${name} fell to entry ${index}`)
    for (let i = from + 1; i <= index; i++) {
      const entry = entryAt(replica, i)
      if (entry === undefined) continue
      const known = this.#committed[i - 1]
      if (known === undefined) this.#commit(peer, entry, before?.configuration ?? replica.configuration)
      else if (known !== entry && JSON.stringify(known) !== JSON.stringify(entry))
        broken(`entry ${i} is two things:\n${JSON.stringify(known)}\n${JSON.stringify(entry)} (${name})`)
    }
    this.#comparedOf.set(name, index)
  }

  /**
   * An entry is committed for the first time anywhere: a majority of those who vote must have it durable, and its
   * payload.
   *
   * @param configuration by the newest word in the log of the peer that commits
   */
  #commit({ name, memory }: SimulatedPeer, entry: Entry, configuration: Configuration): void {
    const { index } = entry
    if (index !== this.#committed.length + 1) broken(`${name} commits entry ${index} before those before it`)
    const leads = memory?.state.lead?.term
    if (leads !== undefined && leads < this.#ledger.term)
      broken(`${name}, deposed since term ${leads}, commits entry ${index} in term ${this.#ledger.term}`)
    this.#ledger = applyEntry(this.#ledger, entry)
    const disks: readonly (readonly [PeerId, Kept])[] = [
      ...[...this.peers].map(([id, { disk }]) => [id, disk] as const),
      ...this.#lost,
    ]
    const holders = disks.flatMap(([id, disk]) => (holdsEntry(disk, entry) ? [id] : []))
    if (!isMostOf(configuration, holders))
      broken(`entry ${index} (${entry.kind}) is committed by ${name}, but only ${holders.join(', ')} hold it`)
    this.#committed.push(entry)
    if (isVerdict(entry)) this.work.settled(entry)
    if (changesTheta(entry)) this.#takeOuterStep(entry)
    if (entry.kind === 'assign') this.work.given(entry.assignment)
  }

  /** The vectors that the ledger leads to: whoever holds this version holds these. */
  #takeOuterStep(entry: OuterEntry): void {
    const before = this.#outer
    if (before === null) return
    const vectors = payloadsOf(entry).map((payload) => this.#payload(entry, payload))
    try {
      this.#outer = this.outerSteps.next(before, entry, this.#ledger, vectors)
      this.#digestOf.set(this.#ledger.version, this.#outer.stateDigest)
    } catch (error) {
      if (!(error instanceof VersionBroken)) throw error
      this.#outer = null
    }
  }

  #payload({ index }: Entry, payload: Hash): Float32Array {
    const holder = [...this.peers.values()].find(({ disk }) => disk.payloads.has(payload))
    return holder?.disk.payloads.get(payload) ?? broken(`nobody holds payload ${payload} of entry ${index}`)
  }
}

/** Whether a disk has this entry, or a snapshot beyond it, and the payload that it names. */
function holdsEntry({ log, payloads }: Kept, entry: Entry): boolean {
  if (entry.index <= log.base.index) return true
  if (termAt(log, entry.index) !== entry.term) return false
  return payloadsOf(entry).every((payload) => payloads.has(payload))
}
