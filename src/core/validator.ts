// Validation on the held-out part: who does it, at which versions, and what becomes of the result.
import type { PeerId, Version } from './ids.js'
import type { Validated } from './messages.js'
import { change, emit, type PeerState, report, type Turn } from './state.js'

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
  const last = replica.ledger.finished !== null && replica.queue.length === 0
  const due = last || version % setup.run.validation.everyVersions === 0 || validation.first === null
  if (!due || validation.last?.version === version || validation.failed === version) return
  change(turn, { validation: { ...validation, running: version } })
  emit(turn, { type: 'validate', version })
}

/** Takes a loss into the account, whoever measured it, if it is newer. */
function recordValidation(turn: Turn, version: Version, loss: number): void {
  const { validation } = turn.state
  if (validation.last !== null && version <= validation.last.version) return
  change(turn, { validation: { ...validation, first: validation.first ?? loss, last: { version, loss } } })
}

/** The own engine measured a loss. */
export function onValidated(turn: Turn, version: Version, loss: number): void {
  change(turn, { validation: { ...turn.state.validation, running: null } })
  report(turn, { type: 'validated', version, loss, perplexity: Math.exp(loss) })
  recordValidation(turn, version, loss)
  emit(turn, { type: 'send', to: turn.state.leader, message: { type: 'validated', version, loss } })
}

/** Another peer measured a loss; only the configured validator's word counts. Returns whether it did. */
export function onRemoteValidation(turn: Turn, from: PeerId, { version, loss }: Validated): boolean {
  const { lead, setup } = turn.state
  if (lead === null) return false
  const name = lead.head.members[from]?.name
  const expected = setup.run.validation.by ?? setup.self.name
  const problem =
    name !== expected
      ? `${expected} validates in this run`
      : version > lead.head.version
        ? `version ${version} does not exist yet`
        : null
  if (problem !== null) {
    report(turn, { type: 'refused', what: 'validation', from: name ?? from, reason: problem })
    return false
  }
  recordValidation(turn, version, loss)
  return true
}

export function onValidationFailed(turn: Turn, version: Version, reason: string): void {
  const { validation } = turn.state
  change(turn, { validation: { ...validation, running: null, failed: version } })
  report(turn, { type: 'warning', message: `Version ${version} could not be validated: ${reason}` })
}
