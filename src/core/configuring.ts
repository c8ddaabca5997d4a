// Who votes changes in two steps: first both sets must agree, then the new one alone (Raft, section 6).
import { betterVoters, type Candidate } from './configuration.js'
import { doubtMs, steadyMs } from './deadlines.js'
import type { Member } from './ledger.js'
import { holdsLease, propose } from './proposals.js'
import { progressOf } from './replication.js'
import type { Turn } from './state.js'

/** A replica that lacks no more entries, and no more versions, than these has caught up. */
const caughtUp = { entries: 64, versions: 4 }

/** Completes a change that is under way, or begins one that makes the voters better. */
export function configureIfDue(turn: Turn): void {
  const { lead, replica, setup, epoch, leaving } = turn.state
  if (lead === null || replica === null || !lead.ready || !holdsLease(turn) || leaving) return
  const { voters, next, index } = replica.configuration
  if (index > replica.ledger.index || lead.head.finished !== null) return
  if (next !== null) {
    const reason = 'both sets of voters have agreed'
    return propose(turn, { kind: 'configure', voters: next, next: null, epoch, reason })
  }
  const replicas = Object.values(lead.head.members).filter((member) => member.replica)
  const candidates = replicas.map((member) => candidate(turn, member))
  const better = betterVoters(replica.configuration, setup.self.id, candidates, setup.run.replicas)
  if (better === null) return
  // While voters differ about the outer state, nobody joins them who may have taken it from one that is wrong.
  const mayJoin = lead.inquiry === null || turn.at - lead.inquiry.since >= doubtMs
  if (!mayJoin && better.voters.some((voter) => !voters.includes(voter))) return
  propose(turn, { kind: 'configure', voters, next: better.voters, epoch, reason: better.reason })
}

function candidate(turn: Turn, { id, cluster, present, left }: Member): Candidate {
  const { replica, connected } = turn.state
  const { match, behind: versions, steadySince, beat } = progressOf(turn, id)
  const here = present && turn.at - beat < doubtMs && connected.includes(id)
  const steady = turn.at - steadySince >= steadyMs
  const entries = (replica?.ledger.index ?? 0) - match
  const current = entries <= caughtUp.entries && versions !== null && versions <= caughtUp.versions
  return { id, cluster, present, left, proved: here && steady && current }
}
