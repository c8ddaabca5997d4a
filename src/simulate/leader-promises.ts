// The promises about terms (Raft, section 5): each has one leader, whom durable votes of most voters have chosen, and who
// has every committed entry.
import { allVoters } from '../core/configuration.js'
import type { PeerId, Term } from '../core/ids.js'
import type { Configuration } from '../core/ledger.js'
import { lastPoint, termAt } from '../core/log.js'
import type { LogPoint } from '../core/messages.js'
import type { Lead, PeerState, Replica } from '../core/state.js'
import { checkLeadBounds } from './bounds.js'
import { broken } from './broken-promise.js'
import type { SimulatedPeer } from './peer.js'

/** A new voter may lack this many entries: some are always on their way. */
const mostBehind = 100

/** Knows every leader and every vote. */
export class LeaderPromises {
  readonly #leaderOf = new Map<Term, PeerId>()
  /** The newest term in which a voter asked to lead: there is none after it. */
  #newestCandidacy: Term = 0
  readonly #voteOf = new Map<string, PeerId>()

  constructor(private readonly peers: ReadonlyMap<PeerId, SimulatedPeer>) {}

  checkTerm({ id, name }: SimulatedPeer, state: PeerState, before: PeerState | undefined): void {
    if (state.term < (before?.term ?? 0) && state.epoch === before?.epoch && state.replica !== null)
      broken(`the term of ${name} fell from ${before?.term} to ${state.term}`)
    if (state.vote === id) this.#newestCandidacy = Math.max(this.#newestCandidacy, state.term)
    else if (state.replica !== null && state.term > this.#newestCandidacy)
      broken(`${name} is in term ${state.term}, in which no voter asked to lead`)
  }

  /** What it grants must be durable when it leaves. */
  voted({ id, name, disk }: SimulatedPeer, term: Term): void {
    const { hard } = disk
    if (hard.term < term) broken(`${name} votes in term ${term} before that is durable`)
    const vote = hard.term === term ? hard.vote : null
    const key = `${id} ${term}`
    const first = this.#voteOf.get(key) ?? vote
    if (first === null) return
    if (vote !== null && vote !== first) broken(`${name} votes for ${first} and ${vote} in term ${term}`)
    this.#voteOf.set(key, first)
  }

  /** A replica follows nobody but the leader of its term. */
  checkFollowed(name: string, { leader, term }: PeerState): void {
    const elected = this.#leaderOf.get(term)
    if (leader !== null && elected !== undefined && leader !== elected)
      broken(`${name} follows ${leader} in term ${term}, which ${elected} leads`)
  }

  /** What a replica takes for its leader's log is that (Raft, section 5.3). */
  checkMatched(name: string, { leader, term }: PeerState, replica: Replica): void {
    const leading = leader === null ? undefined : this.peers.get(leader)?.memory?.state
    if (leading?.lead?.term !== term || leading.replica === null) return
    const here = termAt(replica, replica.matched)
    const there = termAt(leading.replica, replica.matched)
    if (here !== null && there !== null && here !== there)
      broken(
        `${name} takes entry ${replica.matched} of term ${here} for its leader's, which is of term ${there}`,
      )
  }

  /** @param newest entry that is committed anywhere; undefined before the first */
  checkLead(
    name: string,
    state: PeerState,
    lead: Lead,
    before: PeerState | undefined,
    newest: LogPoint | undefined,
  ): void {
    const { replica } = state
    const self = state.setup.self.id
    const other = this.#leaderOf.get(lead.term) ?? self
    if (other !== self) broken(`term ${lead.term} has two leaders: ${other} and ${self}`)
    this.#leaderOf.set(lead.term, self)
    if (replica === null) return broken(`${name} leads without the ledger`)
    if (before?.lead?.term !== lead.term) {
      checkComplete(name, replica, newest)
      this.#checkChosen(self, lead.term, replica)
    }
    const { index } = replica.ledger
    if (index > (before?.replica?.ledger.index ?? index) && replica.ledger.term < lead.term)
      broken(
        `${name} counts entry ${index} of term ${replica.ledger.term} as committed, before any of its own`,
      )
    if (replica.configuration !== before?.replica?.configuration) this.#checkVoters(name, replica, before)
    checkLeadBounds(name, lead)
  }

  /** Most voters gave it their vote of this term, and had made that durable before they said so. */
  #checkChosen(self: PeerId, term: Term, { configuration }: Replica): void {
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
}

/** A new leader has every committed entry (Raft, section 5.4.3). */
function checkComplete(name: string, replica: Replica, newest: LogPoint | undefined): void {
  if (newest === undefined || newest.index <= replica.base.index) return
  if (termAt(replica, newest.index) !== newest.term)
    broken(`${name} leads without entry ${newest.index}, which is committed`)
}

/** Whether these are most of each set that votes: counted here once more, for the core might count wrongly. */
export const isMostOf = ({ voters, next }: Configuration, peers: readonly PeerId[]): boolean =>
  [voters, next ?? voters].every(
    (set) => 2 * set.filter((voter) => peers.includes(voter)).length > set.length,
  )
