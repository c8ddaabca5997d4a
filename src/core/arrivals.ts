// A contribution arrives: the first verdict on its assignment counts, whatever comes after it.
import { clampSpeed } from '../outer/dylu.js'
import { outerOptimizer } from '../outer/optimizer.js'
import { arrive, fail } from './assigning.js'
import { type Entry, isVerdict } from './entries.js'
import type { AssignmentId, PeerId } from './ids.js'
import { stopIfDue } from './leader.js'
import { openAssignmentOf } from './ledger.js'
import type { Manifest } from './messages.js'
import { nameOf, propose, sendEntries } from './proposals.js'
import { changeLead, emit, report, type Turn } from './state.js'

/** Rounds whose overhead is remembered; older ones say little about today's links. */
const overheadsKept = 16

/** The bytes are here, were checked, and if sound are durable: the leader orders them. */
export function onContribution(turn: Turn, from: PeerId, manifest: Manifest, problem: string | null): void {
  const { lead, setup } = turn.state
  if (lead === null) return
  pulled(turn, manifest)
  if (lead.head.finished !== null || !isAwaited(turn, from, manifest)) return
  const assignment = lead.head.open[manifest.assignment]
  const mismatch = disagreement(manifest, assignment) ?? problem
  if (mismatch !== null) return fail(turn, from, 'refuse', assignment.id, mismatch)
  const { speed, overheadMs } = measure(turn, manifest)
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
  if (overheadMs !== null)
    changeLead(turn, { overheads: [...lead.overheads, overheadMs].slice(-overheadsKept) })
  // At once: the entry that reaches a limit is the last one applied.
  stopIfDue(turn)
  arrive(turn, from)
}

/** Speed as the arrival allows it. How long a round given by an earlier leader took, this one cannot know. */
function measure(turn: Turn, { assignment, steps, speed: reported }: Manifest) {
  const givenAt = turn.state.lead?.assignedAt[assignment]
  if (givenAt === undefined) return { speed: reported, overheadMs: null }
  const elapsedMs = turn.at - givenAt
  const speed = clampSpeed(reported, steps, elapsedMs)
  return { speed, overheadMs: Math.max(0, elapsedMs - (steps / speed) * 1000) }
}

/** The worker offers directly, or chunks were lost on the way: the payload is pulled by hash. */
export function onOffer(turn: Turn, from: PeerId, manifest: Manifest): void {
  const { lead } = turn.state
  if (lead === null || lead.head.finished !== null) return
  if (!isAwaited(turn, from, manifest) || lead.pulling.includes(manifest.assignment)) return
  changeLead(turn, { pulling: [...lead.pulling, manifest.assignment] })
  emit(turn, { type: 'pull-contribution', from, manifest })
}

/** A pull that failed may be tried again when the worker offers again. */
export function onPullFailed(turn: Turn, manifest: Manifest): void {
  pulled(turn, manifest)
}

function pulled(turn: Turn, { assignment }: Manifest): void {
  const pulling = turn.state.lead?.pulling ?? []
  changeLead(turn, { pulling: pulling.filter((id) => id !== assignment) })
}

/** The worker's round failed on its side: its interval goes back, and it gets another. */
export function onGiveUp(turn: Turn, from: PeerId, id: AssignmentId, reason: string): void {
  const { lead } = turn.state
  if (lead === null || lead.head.finished !== null) return
  if (openAssignmentOf(lead.head, from)?.id !== id) return
  fail(turn, from, 'expire', id, `given up: ${reason}`)
}

/** Whether the assignment is open and this worker's; if it is settled, the worker hears the verdict again. */
function isAwaited(turn: Turn, from: PeerId, manifest: Manifest): boolean {
  const { lead, replica } = turn.state
  if (lead === null || replica === null) return false
  const open = lead.head.open[manifest.assignment]
  if (open?.worker === from) return true
  const settles = (entry: Entry): boolean =>
    isVerdict(entry) && entry.assignment === manifest.assignment && entry.worker === from
  // A verdict that is not durable yet goes out when it is.
  if (lead.proposed.some(settles)) return false
  const verdict = replica.log.findLast(settles)
  if (verdict !== undefined) {
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
