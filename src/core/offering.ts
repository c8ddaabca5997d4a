// A worker's finished contributions: published, offered again until judged, kept until a version has them in it.
import { reofferMs } from './deadlines.js'
import type { Verdict } from './entries.js'
import type { AssignmentId, Version } from './ids.js'
import type { Manifest } from './messages.js'
import { changeWorker, emit, type PeerState, type Pending, type Turn, toLeader } from './state.js'

/** Assignments remembered as done with, so that a late copy of their entry is not taken up again. */
const overKept = 64

/** What it has done with, these included. */
export const overWith = ({ worker }: PeerState, ...assignments: readonly AssignmentId[]) =>
  [...worker.over, ...assignments].slice(-overKept)

/**
 * Contributions whose verdicts are awaited from here on.
 *
 * @param publishedAt null if they were published before a restart
 */
export function hold(turn: Turn, manifests: readonly Manifest[], publishedAt: number | null): void {
  const { worker } = turn.state
  const more = manifests.map((manifest): Pending => ({ manifest, version: null, publishedAt }))
  const speed = manifests.at(-1)?.speed ?? worker.speed
  const over = overWith(turn.state, ...manifests.map(({ assignment }) => assignment))
  changeWorker(turn, { pending: [...worker.pending, ...more], over, speed, offers: 0 })
}

export function publish(turn: Turn, manifest: Manifest): void {
  const { cluster } = turn.state.setup.self
  emit(turn, { type: 'publish-contribution', topic: { kind: 'gradients', cluster }, manifest })
}

/** Contributions that nobody has judged yet. */
export const unsettled = ({ worker }: PeerState): readonly Pending[] =>
  worker.pending.filter(({ version }) => version === null)

export const isUnsettled = (state: PeerState, id: AssignmentId): boolean =>
  unsettled(state).some(({ manifest }) => manifest.assignment === id)

/** From here on a verdict may be expected: while chunks still leave, an offer would have them sent twice. */
export function onPublished(turn: Turn, id: AssignmentId): void {
  const { worker } = turn.state
  if (worker.offers > 0 || !isUnsettled(turn.state, id)) return
  emit(turn, { type: 'set-timer', name: 'reoffer', afterMs: reofferMs(0) })
}

/** The leader is another one, or within reach again: what is offered need not wait for its next turn. */
export function offerSoon(turn: Turn): void {
  if (unsettled(turn.state).length === 0) return
  changeWorker(turn, { offers: 0 })
  emit(turn, { type: 'set-timer', name: 'reoffer', afterMs: 0 })
}

/** No verdict yet: gossip may have lost chunks, or the leader may be another one. */
export function onReofferDue(turn: Turn): void {
  const waiting = unsettled(turn.state)
  if (waiting.length === 0) return
  const offers = turn.state.worker.offers + 1
  changeWorker(turn, { offers })
  for (const { manifest } of waiting) toLeader(turn, { type: 'offer', manifest })
  emit(turn, { type: 'set-timer', name: 'reoffer', afterMs: reofferMs(offers) })
}

/**
 * What a version has in it need not be kept. Until then a round that continues needs it; where none does, the
 * verdict is enough.
 *
 * @param held the version that this peer starts its rounds from; null if it holds none of its own
 */
export function letGoOfApplied(turn: Turn, held: Version | null): void {
  const { pending, ahead, now } = turn.state.worker
  const goesOn = ahead.length > 0 || now.phase === 'fetching'
  for (const { manifest, version } of pending)
    if (version !== null && (!goesOn || (held !== null && version <= held)))
      forget(turn, manifest.assignment, 'apply')
}

/** @param outcome null if the leader knows it no more */
export function forget(turn: Turn, assignment: AssignmentId, outcome: Verdict['kind'] | null): void {
  const { pending } = turn.state.worker
  const one = pending.find(({ manifest }) => manifest.assignment === assignment)
  if (one === undefined) return
  changeWorker(turn, { pending: pending.filter((other) => other !== one) })
  emit(turn, { type: 'forget-contribution', assignment, outcome })
}
