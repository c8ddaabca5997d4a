// A contribution arrives: the first verdict on its assignment counts, whatever comes after it.
import { clampSpeed } from '../outer/dylu.js'
import { outerOptimizer } from '../outer/optimizer.js'
import { arrive, fail } from './assigning.js'
import { type Assignment, type Entry, isVerdict } from './entries.js'
import { onPayloadHeld } from './following.js'
import { type AssignmentId, indexOf, type PeerId, type Version } from './ids.js'
import type { Manifest } from './messages.js'
import { holdsLease, nameOf, propose, sendEntries } from './proposals.js'
import { entriesOf } from './records.js'
import { dropPayloads } from './replica.js'
import { changeLead, changeReplica, emit, type Replica, refuse, send, type Turn } from './state.js'
import { stopIfDue } from './stop.js'

/** Contributions that wait for a leader: one of each worker is usual. */
const mostArrived = 1_000
/** Rounds whose overhead is remembered; older ones say little about today's links. */
const overheadsKept = 16

/** The bytes are here, were checked, and if sound are durable: kept until settled, and ordered by whoever leads. */
export function onContribution(turn: Turn, from: PeerId, manifest: Manifest, problem: string | null): void {
  const { replica, lead } = turn.state
  const { assignment, payload } = manifest
  // Who was a replica, and is none any more, still hears of what is published.
  if (replica === null) return emit(turn, { type: 'drop-payloads', payloads: [payload] })
  // Entries may have come first, and wait for it.
  if (problem === null) onPayloadHeld(turn, payload)
  if (lead !== null) pulled(turn, manifest)
  if (lead !== null && !isAwaited(turn, from, manifest)) return dropPayloads(turn, [payload])
  if (lead === null && isSettled(replica, assignment)) return dropPayloads(turn, [payload])
  const worker = replica.ledger.open[assignment]?.worker ?? replica.arrived[assignment]?.from ?? from
  if (worker !== from) {
    const reason = `${assignment}: it was given to ${nameOf(turn, worker)}`
    return refuse(turn, 'contribution', nameOf(turn, from), reason)
  }
  const others = entriesOf(replica.arrived).slice(-mostArrived)
  const arrived = { ...Object.fromEntries(others), [assignment]: { from, manifest, problem } }
  changeReplica(turn, { arrived })
  orderArrived(turn)
}

/** Orders every contribution that is here, in the order in which they came. */
export function orderArrived(turn: Turn): void {
  const { lead, replica } = turn.state
  if (lead === null || replica === null || lead.head.finished !== null || !holdsLease(turn)) return
  for (const { from, manifest, problem } of Object.values(replica.arrived))
    if (turn.state.lead?.head.open[manifest.assignment]?.worker === from) order(turn, from, manifest, problem)
}

function order(turn: Turn, from: PeerId, manifest: Manifest, problem: string | null): void {
  const { lead, setup } = turn.state
  const assignment = lead?.head.open[manifest.assignment]
  if (lead === null || assignment === undefined || lead.head.finished !== null) return
  const mismatch = disagreement(manifest, assignment, lead.head.version) ?? problem
  if (mismatch !== null) return fail(turn, from, 'refuse', assignment.id, mismatch)
  const { speed, overheadMs } = measure(turn, manifest)
  const staleness = lead.head.version - manifest.base
  propose(turn, {
    kind: 'apply',
    assignment: assignment.id,
    worker: from,
    payload: manifest.payload,
    codec: manifest.codec,
    ...(assignment.fragment !== undefined && { fragment: assignment.fragment }),
    version: lead.head.version + 1,
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
  if (lead === null || lead.head.finished !== null || !holdsLease(turn)) return
  if (lead.head.open[id]?.worker !== from) return
  fail(turn, from, 'expire', id, `given up: ${reason}`)
}

/** Whether the assignment is open and this worker's; if it is settled, the worker hears the verdict again. */
function isAwaited(turn: Turn, from: PeerId, { assignment }: Manifest): boolean {
  const { lead } = turn.state
  if (lead === null) return false
  const open = lead.head.open[assignment]
  if (open?.worker === from) return true
  if (tellVerdict(turn, from, assignment)) return false
  const reason =
    open !== undefined ? `it was given to ${nameOf(turn, open.worker)}` : 'no such assignment is open'
  refuse(turn, 'contribution', nameOf(turn, from), `${assignment}: ${reason}`)
  const forgotten = { assignment, outcome: null, version: null }
  send(turn, from, { type: 'settled', epoch: turn.state.epoch, term: lead.term, ...forgotten })
  return false
}

/** Tells a worker how its round ended. False if the ledger knows nothing of that. */
export function tellVerdict(turn: Turn, worker: PeerId, assignment: AssignmentId): boolean {
  const { lead, replica, epoch } = turn.state
  if (lead === null || replica === null) return false
  const settles = (entry: Entry): boolean =>
    isVerdict(entry) && entry.assignment === assignment && entry.worker === worker
  const verdict = replica.log.findLast(settles)
  if (verdict !== undefined) {
    // One that is not committed yet goes out when it is.
    if (verdict.index <= replica.ledger.index) sendEntries(turn, worker, [verdict])
    return true
  }
  const settled = lead.head.members[worker]?.settled.find((one) => one.assignment === assignment)
  if (settled !== undefined) send(turn, worker, { type: 'settled', epoch, term: lead.term, ...settled })
  return settled !== undefined
}

/** Whether a replica that does not lead knows that a round is over. */
function isSettled({ ledger, log }: Replica, assignment: AssignmentId): boolean {
  if (ledger.open[assignment] !== undefined) return false
  // Rounds that are not in the ledger yet are given while its entries are on their way.
  return (
    log.some((entry) => isVerdict(entry) && entry.assignment === assignment) ||
    indexOf(assignment) <= ledger.index
  )
}

function disagreement(
  manifest: Manifest,
  { base, steps, fragment, after }: Assignment,
  newest: Version,
): string | null {
  const mayBeNewer = after !== null && manifest.base > base && manifest.base <= newest
  if (manifest.base !== base && !mayBeNewer)
    return `it starts from version ${manifest.base}, but version ${base} was assigned`
  if (manifest.steps !== steps) return `it took ${manifest.steps} steps, but ${steps} were assigned`
  if (manifest.fragment !== fragment)
    return `it is of fragment ${manifest.fragment ?? 'none'}, but ${fragment ?? 'none'} was assigned`
  return null
}
