// What a leader reports of each entry once it is committed.
import { learningRateAt } from '../outer/learning-rate.js'
import type { Assignment, Entry } from './entries.js'
import type { LedgerState } from './ledger.js'
import { nameOf } from './proposals.js'
import { type PeerState, refuse, report, type Turn } from './state.js'

/** `before` is the ledger's state without the entry. */
export function reportEntry(turn: Turn, entry: Entry, before: LedgerState): void {
  switch (entry.kind) {
    case 'no-op':
      // One whose no-op a successor commits leads no more.
      if (entry.term !== turn.state.term) break
      report(turn, {
        type: 'leader',
        term: entry.term,
        leader: nameOf(turn, entry.leader),
        id: entry.leader,
        reason: entry.reason,
      })
      break
    case 'admit': {
      const { name, peer: id, cluster, replica } = entry
      report(turn, { type: 'joined', name, id, cluster, replica })
      break
    }
    case 'evict': {
      const { name, cluster } = before.members[entry.peer]
      report(turn, { type: 'left', name, id: entry.peer, cluster, reason: entry.reason })
      break
    }
    case 'revoke':
      refuse(turn, 'peer', nameOf(turn, entry.who), entry.reason)
      break
    case 'configure':
      report(turn, {
        type: 'voters',
        voters: entry.voters.map((voter) => nameOf(turn, voter)),
        next: entry.next?.map((voter) => nameOf(turn, voter)) ?? null,
        reason: entry.reason,
      })
      break
    case 'assign': {
      const { assignment, speed, fastest: maxSpeed, window } = entry
      const { id, base: version, steps, shard, position } = assignment
      const worker = nameOf(turn, assignment.worker)
      const learningRate = firstLearningRate(turn.state, assignment)
      report(turn, {
        type: 'assigned',
        assignment: id,
        worker,
        version,
        steps,
        shard,
        position,
        speed,
        maxSpeed,
        learningRate,
        window,
      })
      break
    }
    case 'apply': {
      const { term, index, assignment, fragment, staleness, steps, loss, speed } = entry
      const worker = nameOf(turn, entry.worker)
      report(turn, {
        type: 'applied',
        version: before.version + 1,
        term,
        index,
        worker,
        assignment,
        ...(fragment !== undefined && { fragment }),
        staleness,
        steps,
        loss,
        speed,
      })
      break
    }
    case 'refuse':
      refuse(turn, 'contribution', nameOf(turn, entry.worker), `${entry.assignment}: ${entry.reason}`)
      break
    case 'expire':
      report(turn, {
        type: 'expired',
        assignment: entry.assignment,
        worker: nameOf(turn, entry.worker),
        reason: entry.reason,
      })
      break
    case 'report': {
      const { assignment: round, steps: contributions, bytes, norm } = entry.manifest
      report(turn, { type: 'reported', round, contributions, bytes, norm })
      break
    }
    case 'merge': {
      const { version, round, payload } = entry
      report(turn, { type: 'merged', version, round: round.id, above: payload === null ? null : round.base })
      break
    }
    case 'validate':
    case 'finish':
      break
    default:
      entry satisfies never
  }
}

/** Learning rate of an assignment's first step. */
function firstLearningRate({ setup }: PeerState, { shard, position }: Assignment): number {
  const { learningRate: peak, minLearningRate: min, warmupSteps } = setup.run.inner
  return learningRateAt(position, { peak, min, warmupSteps, totalSteps: setup.scheduleSteps[shard] })
}
