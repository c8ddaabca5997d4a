// Validation on the held-out part: who does it, at which versions, and what becomes of the result.
import type { Version } from './ids.js'
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

/** Takes a loss into the account, whoever measured it. Returns false if it is not newer. */
export function recordValidation(turn: Turn, version: Version, loss: number): boolean {
  const { validation } = turn.state
  if (validation.last !== null && version <= validation.last.version) return false
  change(turn, { validation: { ...validation, first: validation.first ?? loss, last: { version, loss } } })
  return true
}

/** The own engine measured a loss. */
export function onValidated(turn: Turn, version: Version, loss: number): void {
  change(turn, { validation: { ...turn.state.validation, running: null } })
  report(turn, { type: 'validated', version, loss, perplexity: Math.exp(loss) })
  recordValidation(turn, version, loss)
  emit(turn, { type: 'send', to: turn.state.leader, message: { type: 'validated', version, loss } })
}

export function onValidationFailed(turn: Turn, version: Version, reason: string): void {
  const { validation } = turn.state
  change(turn, { validation: { ...validation, running: null, failed: version } })
  report(turn, { type: 'warning', message: `Version ${version} could not be validated: ${reason}` })
}
