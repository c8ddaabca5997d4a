// Equal versions have equal digests. Where two replicas differ, the majority of the voters is right: who is in the
// minority stops and heals, the leader too; without a majority the run halts.
import { assignIfDue } from './assigning.js'
import { allVoters, isMajority } from './configuration.js'
import { doubtMs } from './deadlines.js'
import type { Hash, PeerId, Version } from './ids.js'
import type { DigestOf, Pulse, VersionReady } from './messages.js'
import { nameOf, propose } from './proposals.js'
import { pulse } from './pulse.js'
import { announcedOf, rememberAnnounced, startAfresh } from './replica.js'
import { changeLead, type Inquiry, refuse, send, type Turn, toLeader } from './state.js'
import { stepDown } from './terms.js'

/** The state that this replica made of a version, as far as it remembers. */
export function madeHere({ state }: Turn, version: Version): Hash | null {
  if (state.replica === null || state.replica.healing !== null) return null
  return state.replica.made.findLast((one) => one.version === version)?.stateDigest ?? null
}

/** The leader says what a version's digests are. Who made another state of it says so, and is told who is right. */
export function onVersionAnnounced(turn: Turn, { version, digest, stateDigest }: VersionReady): void {
  rememberAnnounced(turn, version, digest, stateDigest)
  compareOwn(turn, version)
}

/** The own outer step to a version is done: whether the leader's came out the same is seen here. */
export function compareOwn(turn: Turn, version: Version): void {
  const mine = madeHere(turn, version)
  const theirs = announcedOf(turn.state, version)?.stateDigest
  if (mine === null || theirs === undefined || mine === theirs || turn.state.lead !== null) return
  toLeader(turn, pulse(turn.state, -1))
}

/**
 * What a replica holds, beside what the leader made of it. Where a voter differs, all voters are asked; one that does
 * not vote counts for nothing, and takes the leader's.
 */
export function compareHeld(turn: Turn, from: PeerId, { held }: Pulse): void {
  const { lead, epoch, term } = turn.state
  if (lead === null || held === null) return
  const mine = madeHere(turn, held.version)
  if (mine === null) return
  if (mine === held.stateDigest) return agrees(turn, from, held.version)
  const short = (digest: Hash) => digest.slice(0, 12)
  const reason = `its version ${held.version} has digest ${short(held.stateDigest)}, here it is ${short(mine)}`
  refuse(turn, 'outer state', nameOf(turn, from), reason)
  const votes = voters(turn).includes(from)
  // While voters differ, the leader may be wrong itself: its word heals nobody.
  if (!votes && lead.inquiry !== null) return
  if (!votes) return send(turn, from, { type: 'heal', epoch, term, version: held.version, stateDigest: mine })
  if (lead.inquiry?.version === held.version) return answered(turn, from, held.stateDigest)
  // One question at a time: nothing is assigned meanwhile.
  if (lead.inquiry !== null) return
  const answers = { [turn.state.setup.self.id]: mine, [from]: held.stateDigest }
  changeLead(turn, { inquiry: { version: held.version, answers, since: turn.at } })
  askTheRest(turn)
  judge(turn)
}

/** It holds a later version, or the same, as it is here: what it made before was no other either. */
function agrees(turn: Turn, from: PeerId, version: Version): void {
  const inquiry = turn.state.lead?.inquiry
  if (inquiry != null && version >= inquiry.version)
    answered(turn, from, inquiry.answers[turn.state.setup.self.id])
}

/** Those who have not said what they made, or had not made it when they were asked. */
function askTheRest(turn: Turn): void {
  const { lead, epoch, term } = turn.state
  const inquiry = lead?.inquiry
  if (inquiry == null) return
  for (const voter of voters(turn))
    if (inquiry.answers[voter] == null)
      send(turn, voter, { type: 'want-digest', epoch, term, version: inquiry.version })
}

/** Once per heartbeat: asks again. A version that some have forgotten is left; a later one will show the difference. */
export function goOnAsking(turn: Turn): void {
  const inquiry = turn.state.lead?.inquiry
  if (inquiry == null) return
  const allHaveAnswered = voters(turn).every((voter) => inquiry.answers[voter] !== undefined)
  if (!allHaveAnswered || turn.at - inquiry.since < doubtMs) return askTheRest(turn)
  changeLead(turn, { inquiry: null })
  assignIfDue(turn)
}

export function onWantDigest(turn: Turn, from: PeerId, version: Version): void {
  const { epoch, term } = turn.state
  send(turn, from, { type: 'digest-of', epoch, term, version, stateDigest: madeHere(turn, version) })
}

export function onDigestOf(turn: Turn, from: PeerId, { version, stateDigest }: DigestOf): void {
  if (turn.state.lead?.inquiry?.version === version) answered(turn, from, stateDigest)
}

function answered(turn: Turn, from: PeerId, digest: Hash | null): void {
  const inquiry = turn.state.lead?.inquiry
  if (inquiry == null || !voters(turn).includes(from)) return
  changeLead(turn, { inquiry: { ...inquiry, answers: { ...inquiry.answers, [from]: digest } } })
  judge(turn)
}

/** Whether a majority has one state; then the others heal. */
function judge(turn: Turn): void {
  const { lead, replica, setup } = turn.state
  const inquiry = lead?.inquiry
  if (inquiry == null || replica === null) return
  // Of all together, also while two sets vote: a set of one would always find itself right.
  const all = { ...replica.configuration, voters: voters(turn), next: null }
  const right = digestsOf(inquiry).find((digest) => isMajority(all, whoSaid(inquiry, digest)))
  if (right !== undefined) return settle(turn, inquiry, right)
  const { version, answers } = inquiry
  if (voters(turn).some((voter) => answers[voter] == null)) return
  changeLead(turn, { inquiry: null })
  const held = digestsOf(inquiry).map((digest) => `${digest.slice(0, 12)} on ${names(turn, inquiry, digest)}`)
  const reason = `no majority of the voters has the same version ${version}: ${held.join(', ')}`
  refuse(turn, `version ${version}`, setup.self.name, reason)
  if (lead?.head.finished === null) propose(turn, { kind: 'finish', reason, ok: false })
}

function settle(turn: Turn, inquiry: Inquiry, right: Hash): void {
  const { setup, epoch, term } = turn.state
  const { version, answers } = inquiry
  changeLead(turn, { inquiry: null })
  for (const [peer, digest] of Object.entries(answers) as [PeerId, Hash | null][])
    if (digest !== null && digest !== right && peer !== setup.self.id)
      send(turn, peer, { type: 'heal', epoch, term, version, stateDigest: right })
  if (answers[setup.self.id] === right) return assignIfDue(turn)
  const reason = `version ${version} is another on ${names(turn, inquiry, right)}, the majority`
  stepDown(turn, reason)
  startAfresh(turn, reason)
}

/** Most voters have another state than this replica. */
export function onHeal(turn: Turn, version: Version, stateDigest: Hash): void {
  const mine = madeHere(turn, version)
  if (mine === null || mine === stateDigest) return
  const [here, there] = [mine, stateDigest].map((digest) => digest.slice(0, 12))
  startAfresh(turn, `version ${version} has digest ${here} here and ${there} on most voters`)
}

const voters = ({ state }: Turn): readonly PeerId[] =>
  state.replica === null ? [] : allVoters(state.replica.configuration)

const digestsOf = ({ answers }: Inquiry): readonly Hash[] => [
  ...new Set(Object.values(answers).filter((digest) => digest !== null)),
]

const whoSaid = ({ answers }: Inquiry, digest: Hash): readonly PeerId[] =>
  (Object.keys(answers) as PeerId[]).filter((peer) => answers[peer] === digest)

const names = (turn: Turn, inquiry: Inquiry, digest: Hash): string =>
  whoSaid(inquiry, digest)
    .map((peer) => nameOf(turn, peer))
    .join(' and ')
