// The design's promises, checked after every event of a simulation. A broken one stops it at once.
import { allVoters } from '../core/configuration.js'
import {
  type Assignment,
  changesTheta,
  type Entry,
  isVerdict,
  type OuterEntry,
  payloadsOf,
  type Verdict,
} from '../core/entries.js'
import type { AssignmentId, Hash, Index, PeerId, Term, Version } from '../core/ids.js'
import { applyEntry, type Configuration, type LedgerState } from '../core/ledger.js'
import { entryAt, lastPoint, termAt } from '../core/log.js'
import type { Message } from '../core/messages.js'
import type { Lead, PeerState, Replica } from '../core/state.js'
import { type Snapshot, VersionBroken } from '../outer/snapshot.js'
import type { VirtualDisk } from './disk.js'
import type { OuterSteps } from './outer-steps.js'
import type { SimulatedPeer } from './peer.js'

export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
}

/** Upper bound of what a peer may queue in the core, whatever happens around it. */
const queueBound = 1_000
/** A new voter may lack this many entries: some are always on their way. */
const mostBehind = 100
/** Bookkeeping by peer or assignment may hold this many more than there are: it is tidied once per heartbeat. */
const slack = 1_000

/** The part of a disk by which entries become committed. */
type Kept = Pick<VirtualDisk, 'log' | 'payloads'>

/** Sees every state of a swarm, and knows every committed entry. */
export class Promises {
  readonly #leaderOf = new Map<Term, PeerId>()
  /** The newest term in which a voter asked to lead: there is none after it. */
  #newestCandidacy: Term = 0
  readonly #voteOf = new Map<string, PeerId>()
  readonly #digestOf = new Map<Version, Hash>()
  readonly #versionOf = new Map<string, Version>()
  /** Up to which entry a peer's committed log was compared. */
  readonly #comparedOf = new Map<string, Index>()
  readonly #committed: Entry[] = []
  readonly #given = new Map<AssignmentId, Assignment>()
  readonly #verdictOf = new Map<AssignmentId, Verdict>()
  readonly #openOf = new Map<PeerId, readonly AssignmentId[]>()
  /** Per shard: which round each local step belongs to, unless that round came to nothing. */
  readonly #stepsOf: readonly Map<number, AssignmentId>[]
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
    this.#stepsOf = first.ledger.shards.map(() => new Map())
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
    if (state.term < (before?.term ?? 0) && state.epoch === before?.epoch && state.replica !== null)
      broken(`the term of ${name} fell from ${before?.term} to ${state.term}`)
    if (state.vote === peer.id) this.#newestCandidacy = Math.max(this.#newestCandidacy, state.term)
    else if (state.replica !== null && state.term > this.#newestCandidacy)
      broken(`${name} is in term ${state.term}, in which no voter asked to lead`)
    if (state.replica !== null && state.leader !== before?.leader) this.#checkLeader(name, state)
    if (state.replica !== null && state.replica !== before?.replica)
      this.#checkReplica(peer, state.replica, before?.replica ?? null)
    if (state.replica !== null && state.lead === null) this.#checkMatched(name, state, state.replica)
    if (state.replica === null) this.#versionOf.delete(name)
    if (state.lead !== null && state.lead !== before?.lead) this.#checkLead(name, state, state.lead, before)
    if (state.connected.length > queueBound) broken(`${name} keeps ${state.connected.length} connections`)
    if (state.announced.length > queueBound) broken(`${name} keeps ${state.announced.length} digests`)
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
    if (message.type === 'vote' && message.granted && !message.pre) this.#voted(peer, message.term)
    if (message.type === 'appended' && message.ok && !this.#holds(peer.disk, message.index))
      broken(`${peer.name} acknowledges entry ${message.index}, which is not durable there with its payload`)
  }

  /** A worker lets go of a contribution: its verdict must be committed. */
  forgotten(assignment: AssignmentId, outcome: Verdict['kind']): void {
    const verdict = this.#verdictOf.get(assignment)
    if (verdict?.kind !== outcome)
      broken(`contribution ${assignment} is forgotten as '${outcome}'; its verdict is ${verdict?.kind}`)
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

  /** Every step of a shard up to where it was assigned is trained, being trained, or waits to be given again. */
  everyIntervalIsCovered({ shards }: LedgerState): void {
    for (const [shard, { reserved, returned }] of shards.entries()) {
      const steps = this.#stepsOf[shard]
      const waiting = new Set<number>()
      for (const { position, steps: count } of returned)
        for (let step = position; step < position + count; step++) waiting.add(step)
      for (let step = 0; step < reserved; step++) {
        if (steps.has(step) === waiting.has(step))
          broken(`step ${step} of shard ${shard} is ${steps.has(step) ? 'given twice' : 'lost'}`)
      }
      for (const step of steps.keys())
        if (step >= reserved) broken(`step ${step} of shard ${shard} is not reserved`)
    }
  }

  #voted({ id, name, disk }: SimulatedPeer, term: Term): void {
    const { hard } = disk
    if (hard.term < term) broken(`${name} votes in term ${term} before that is durable`)
    const vote = hard.term === term ? hard.vote : null
    const key = `${id} ${term}`
    const first = this.#voteOf.get(key) ?? vote
    if (first === null) return
    if (vote !== null && vote !== first) broken(`${name} votes for ${first} and ${vote} in term ${term}`)
    this.#voteOf.set(key, first)
  }

  /** Whether a disk has the log up to an entry, with the payloads that it names. */
  #holds(disk: VirtualDisk, index: Index): boolean {
    const { log, payloads } = disk
    if (index > lastPoint(log).index) return false
    return log.log.every(
      (entry) => entry.index > index || payloadsOf(entry).every((payload) => payloads.has(payload)),
    )
  }

  /** A replica follows nobody but the leader of its term. */
  #checkLeader(name: string, { leader, term }: PeerState): void {
    const elected = this.#leaderOf.get(term)
    if (leader !== null && elected !== undefined && leader !== elected)
      broken(`${name} follows ${leader} in term ${term}, which ${elected} leads`)
  }

  /** What a replica takes for its leader's log is that (Raft, section 5.3). */
  #checkMatched(name: string, { leader, term }: PeerState, replica: Replica): void {
    const leading = leader === null ? undefined : this.peers.get(leader)?.memory?.state
    if (leading?.lead?.term !== term || leading.replica === null) return
    const here = termAt(replica, replica.matched)
    const there = termAt(leading.replica, replica.matched)
    if (here !== null && there !== null && here !== there)
      broken(
        `${name} takes entry ${replica.matched} of term ${here} for its leader's, which is of term ${there}`,
      )
  }

  #checkReplica(peer: SimulatedPeer, replica: Replica, before: Replica | null): void {
    const { name } = peer
    const { ledger, applied, healing, queue } = replica
    if (queue.length > queueBound) broken(`${name} queues ${queue.length} outer steps`)
    if (Object.keys(replica.arrived).length > queueBound + 1) broken(`${name} keeps too many contributions`)
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
    if (isVerdict(entry)) this.#settled(entry)
    if (changesTheta(entry)) this.#takeOuterStep(entry)
    if (entry.kind === 'assign') this.#reserved(entry.assignment)
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

  #checkLead(name: string, state: PeerState, lead: Lead, before: PeerState | undefined): void {
    const { replica } = state
    const self = state.setup.self.id
    const other = this.#leaderOf.get(lead.term) ?? self
    if (other !== self) broken(`term ${lead.term} has two leaders: ${other} and ${self}`)
    this.#leaderOf.set(lead.term, self)
    if (replica === null) return broken(`${name} leads without the ledger`)
    if (before?.lead?.term !== lead.term) {
      this.#isComplete(name, replica)
      this.#isChosen(self, lead.term, replica)
    }
    const { index } = replica.ledger
    if (index > (before?.replica?.ledger.index ?? index) && replica.ledger.term < lead.term)
      broken(
        `${name} counts entry ${index} of term ${replica.ledger.term} as committed, before any of its own`,
      )
    if (replica.configuration !== before?.replica?.configuration) this.#checkVoters(name, replica, before)
    const peers = Object.keys(lead.head.members).length
    const bounds: [string, number, number][] = [
      ['idle workers', lead.idle.length, peers],
      ['pulls', lead.pulling.length, peers + size(lead.head.open)],
      ['overheads', lead.overheads.length, queueBound],
      ['members heard', size(lead.heardAt), peers + slack],
      ['assignment times', size(lead.assignedAt), size(lead.head.open) + slack],
      ['resting workers', size(lead.resting), peers],
      ['farewells', size(lead.farewells), peers],
    ]
    for (const [what, count, bound] of bounds)
      if (count > bound) broken(`${name} keeps ${count} ${what}, more than ${bound}`)
  }

  /** A new leader has every committed entry (Raft, section 5.4.3). */
  #isComplete(name: string, replica: Replica): void {
    const newest = this.#committed.at(-1)
    if (newest === undefined || newest.index <= replica.base.index) return
    if (termAt(replica, newest.index) !== newest.term)
      broken(`${name} leads without entry ${newest.index}, which is committed`)
  }

  /** Most voters gave it their vote of this term, and had made that durable before they said so. */
  #isChosen(self: PeerId, term: Term, { configuration }: Replica): void {
    const granted = allVoters(configuration).filter((voter) => this.#voteOf.get(`${voter} ${term}`) === self)
    if (!isMostOf(configuration, granted))
      broken(`${self} leads term ${term} by the durable votes of ${granted.join(', ') || 'nobody'} alone`)
  }

  /** Who is to vote from now on holds the ledger, and outer vectors that are sound. */
  #checkVoters(name: string, { configuration, ledger }: Replica, before: PeerState | undefined): void {
    const known =
      before?.replica === null || before === undefined ? [] : allVoters(before.replica.configuration)
    for (const id of configuration.next ?? []) {
      const peer = this.peers.get(id)
      // Of one that died a moment ago nobody can know that yet.
      if (known.includes(id) || peer?.memory == null || peer.id !== id) continue
      const lacks = ledger.index - lastPoint(peer.disk.log).index
      if (peer.memory.state.replica === null || lacks > mostBehind)
        broken(`${name} makes ${peer.name} a voter, which has not caught up`)
    }
  }

  #settled(entry: Verdict): void {
    const { assignment: id, worker, index } = entry
    const first = this.#verdictOf.get(id)
    if (first !== undefined) broken(`assignment ${id} has two verdicts: entries ${first.index} and ${index}`)
    const given = this.#given.get(id)
    if (given === undefined) return broken(`assignment ${id} was never given`)
    if (given.worker !== worker)
      broken(`the verdict on ${id} names ${worker}; it was given to ${given.worker}`)
    this.#verdictOf.set(id, entry)
    this.#openOf.set(
      worker,
      (this.#openOf.get(worker) ?? []).filter((open) => open !== id),
    )
    if (entry.kind === 'apply') return
    for (let step = given.position; step < given.position + given.steps; step++)
      this.#stepsOf[given.shard].delete(step)
  }

  /** No step of a shard is given to two rounds unless the first came to nothing; a worker's rounds continue each other. */
  #reserved(assignment: Assignment): void {
    const { id, worker, after, shard, position, steps } = assignment
    const open = this.#openOf.get(worker) ?? []
    if ((open.at(-1) ?? null) !== after)
      broken(`${worker} is given ${id} after ${after}, but ${open.join()} is open`)
    this.#openOf.set(worker, [...open, id])
    this.#given.set(id, assignment)
    for (let step = position; step < position + steps; step++) {
      const other = this.#stepsOf[shard].get(step)
      if (other !== undefined) broken(`step ${step} of shard ${shard} is given to ${other} and ${id}`)
      this.#stepsOf[shard].set(step, id)
    }
  }
}

/** Whether these are most of each set that votes: counted here once more, for the core might count wrongly. */
const isMostOf = ({ voters, next }: Configuration, peers: readonly PeerId[]): boolean =>
  [voters, next ?? voters].every(
    (set) => 2 * set.filter((voter) => peers.includes(voter)).length > set.length,
  )

/** Whether a disk has this entry, or a snapshot beyond it, and the payload that it names. */
function holdsEntry({ log, payloads }: Kept, entry: Entry): boolean {
  if (entry.index <= log.base.index) return true
  if (termAt(log, entry.index) !== entry.term) return false
  return payloadsOf(entry).every((payload) => payloads.has(payload))
}

const size = (record: object): number => Object.keys(record).length

function broken(what: string): never {
  throw new BrokenPromise(what)
}
