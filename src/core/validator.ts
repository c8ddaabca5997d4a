// Validation on the held-out part: who does it, at which versions, and what becomes of the result.
import type { PeerId, Version } from './ids.js'
import type { Validated } from './messages.js'
import { holdsLease, nameOf, propose } from './proposals.js'
import { change, emit, type PeerState, refuse, report, type Turn, toLeader } from './state.js'

/** The configured peer, or the leader. */
export function isValidator({ setup, lead }: PeerState): boolean {
  const { by } = setup.run.validation
  return by === undefined ? lead !== null : by === setup.self.name
}

/** Validates the version held, if it is one of those to be validated and was not. */
export function validateIfDue(turn: Turn): void {
  const { state } = turn
  const { replica, validation, setup } = state
  if (replica === null || !isValidator(state) || validation.running !== null) return
  const version = replica.applied
  const { first, last } = replica.ledger.validation
  const isLast = replica.ledger.finished !== null && replica.queue.length === 0
  const due = isLast || version % setup.run.validation.everyVersions === 0 || first === null
  if (!due || replica.healing !== null || validation.failed === version) return
  if ((last?.version ?? -1) >= version || validation.measured?.version === version) return
  change(turn, { validation: { ...validation, running: version } })
  emit(turn, { type: 'validate', version })
}

/** The own engine measured a loss: the leader puts it into the ledger. */
export function onValidated(turn: Turn, version: Version, loss: number): void {
  change(turn, { validation: { ...turn.state.validation, running: null } })
  remember(turn, version, loss)
  report(turn, { type: 'validated', version, loss, perplexity: Math.exp(loss) })
  tellMeasured(turn)
}

function remember(turn: Turn, version: Version, loss: number): void {
  const { validation } = turn.state
  const { first, measured } = validation
  const newest = measured === null || version > measured.version ? { version, loss } : measured
  change(turn, { validation: { ...validation, first: first ?? loss, measured: newest } })
}

/** The newest loss that is known here, committed or not. */
export function latestLoss({ replica, validation: { measured } }: PeerState): Validated | null {
  const last = replica?.ledger.validation.last ?? null
  const newest = last === null || (measured !== null && measured.version > last.version) ? measured : last
  return newest === null ? null : { type: 'validated', ...newest }
}

/** Told again until it stands in the ledger: the leader may have been lost with it. */
export function tellMeasured(turn: Turn): void {
  const { measured } = turn.state.validation
  const last = turn.state.replica?.ledger.validation.last
  if (measured === null || (last != null && last.version >= measured.version)) return
  toLeader(turn, { type: 'validated', ...measured })
}

/** Only the configured validator's word counts; without one, that of a replica: it may have led when it measured. */
export function onRemoteValidation(turn: Turn, from: PeerId, { version, loss }: Validated): void {
  const { lead, setup } = turn.state
  if (lead === null || !lead.ready || !holdsLease(turn)) return
  const member = lead.head.members[from]
  const { by } = setup.run.validation
  const counts = by === undefined ? member?.replica === true : member?.name === by
  const problem = !counts
    ? `${by ?? 'a replica'} validates in this run`
    : version > lead.head.version
      ? `version ${version} does not exist yet`
      : null
  if (problem !== null) return refuse(turn, 'validation', nameOf(turn, from), problem)
  remember(turn, version, loss)
  // Once the run is over its voters go home: the last loss is in the summary, not in the ledger.
  if (lead.head.finished !== null) return
  if (version > (lead.head.validation.last?.version ?? -1)) propose(turn, { kind: 'validate', version, loss })
}

export function onValidationFailed(turn: Turn, version: Version, reason: string): void {
  const { validation } = turn.state
  change(turn, { validation: { ...validation, running: null, failed: version } })
  report(turn, { type: 'warning', message: `Version ${version} could not be validated: ${reason}` })
}
