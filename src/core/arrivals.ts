// A contribution arrives: the first verdict on its assignment counts, whatever comes after it.
import { clampSpeed } from '../outer/dylu.js'
import { outerOptimizer } from '../outer/optimizer.js'
import { arrive } from './assigning.js'
import type { Verdict } from './entries.js'
import type { AssignmentId, PeerId } from './ids.js'
import { openAssignmentOf, presentMembers } from './ledger.js'
import type { Manifest } from './messages.js'
import { nameOf, propose, sendEntries } from './proposals.js'
import { changeLead, emit, report, type Turn } from './state.js'

/** Rounds whose overhead is remembered; older ones say little about today's links. */
const overheadsKept = 16
/** A worker that failed this often in a row will fail again; when all have, the run cannot go on. */
const failuresInARow = 3

/** The bytes are here, were checked, and if sound are durable: the leader orders them. */
export function onContribution(turn: Turn, from: PeerId, manifest: Manifest, problem: string | null): void {
  const { lead, setup } = turn.state
  if (lead === null || lead.head.finished !== null) return
  changeLead(turn, { pulling: lead.pulling.filter((hash) => hash !== manifest.payload) })
  if (!isAwaited(turn, from, manifest)) return
  const assignment = lead.head.open[manifest.assignment]
  const mismatch = disagreement(manifest, assignment) ?? problem
  if (mismatch !== null) {
    propose(turn, { kind: 'refuse', assignment: assignment.id, worker: from, reason: mismatch })
    return arrive(turn, from)
  }
  const elapsedMs = turn.at - (lead.assignedAt[assignment.id] ?? turn.at)
  const speed = clampSpeed(manifest.speed, manifest.steps, elapsedMs)
  const staleness = lead.head.version - assignment.base
  propose(turn, {
    kind: 'apply',
    assignment: assignment.id,
    worker: from,
    payload: manifest.payload,
    staleness,
    weight: outerOptimizer(setup.run.outer.method).weight(staleness, setup.run.outer),
    steps: manifest.steps,
    speed,
    loss: manifest.loss,
  })
  const overhead = Math.max(0, elapsedMs - (manifest.steps / speed) * 1000)
  changeLead(turn, { overheads: [...lead.overheads, overhead].slice(-overheadsKept) })
  arrive(turn, from)
}

/** The worker offers directly, or chunks were lost on the way: the payload is pulled by hash. */
export function onOffer(turn: Turn, from: PeerId, manifest: Manifest): void {
  const { lead } = turn.state
  if (lead === null || lead.head.finished !== null || lead.pulling.includes(manifest.payload)) return
  if (!isAwaited(turn, from, manifest)) return
  changeLead(turn, { pulling: [...lead.pulling, manifest.payload] })
  emit(turn, { type: 'pull-contribution', from, manifest })
}

/** A pull that failed may be tried again when the worker offers again. */
export function onPullFailed(turn: Turn, manifest: Manifest): void {
  const { lead } = turn.state
  if (lead === null) return
  changeLead(turn, { pulling: lead.pulling.filter((hash) => hash !== manifest.payload) })
}

/** The worker's round failed on its side: its interval goes back, and it gets another. */
export function onGiveUp(turn: Turn, from: PeerId, id: AssignmentId, reason: string): void {
  const { lead } = turn.state
  if (lead === null || lead.head.finished !== null) return
  if (openAssignmentOf(lead.head, from)?.id !== id) return
  propose(turn, { kind: 'expire', assignment: id, worker: from, reason: `given up: ${reason}` })
  if (everyoneFails(turn))
    return propose(turn, { kind: 'finish', reason: `every worker failed: ${reason}`, ok: false })
  arrive(turn, from)
}

function everyoneFails({ state: { lead } }: Turn): boolean {
  return lead !== null && presentMembers(lead.head).every(({ expired }) => expired >= failuresInARow)
}

/** Whether the assignment is open and this worker's; if it is settled, the worker hears the verdict again. */
function isAwaited(turn: Turn, from: PeerId, manifest: Manifest): boolean {
  const { lead, replica } = turn.state
  if (lead === null || replica === null) return false
  const open = lead.head.open[manifest.assignment]
  if (open?.worker === from) return true
  const verdict = replica.log.find(
    (entry): entry is Verdict =>
      (entry.kind === 'apply' || entry.kind === 'refuse' || entry.kind === 'expire') &&
      entry.assignment === manifest.assignment,
  )
  if (verdict !== undefined && verdict.worker === from) {
    sendEntries(turn, from, [verdict])
    return false
  }
  const reason =
    open !== undefined ? `it was given to ${nameOf(turn, open.worker)}` : 'no such assignment is open'
  report(turn, {
    type: 'refused',
    what: `contribution ${manifest.assignment}`,
    from: nameOf(turn, from),
    reason,
  })
  return false
}

function disagreement(manifest: Manifest, { base, steps }: { base: number; steps: number }): string | null {
  if (manifest.base !== base)
    return `it starts from version ${manifest.base}, but version ${base} was assigned`
  if (manifest.steps !== steps) return `it took ${manifest.steps} steps, but ${steps} were assigned`
  return null
}
