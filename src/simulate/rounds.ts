// What workers do with assignments, in virtual time: train, keep what comes of it until its verdict, and tell.
import type { CodecName } from '../core/codec-names.js'
import type { Assignment, Verdict } from '../core/entries.js'
import type { EffectOf } from '../core/events.js'
import type { AssignmentId } from '../core/ids.js'
import type { Farewell } from '../core/messages.js'
import { type Codec, codecNamed } from '../tensor/codec.js'
import { positionAfter, takeAway, withoutRound } from '../tensor/error-feedback.js'
import { fragmentAt } from '../tensor/fragments.js'
import { mixIn } from '../tensor/mixing.js'
import { firstNonFinite, subtract } from '../tensor/vector.js'
import type { VirtualClock } from './clock.js'
import { fragmentOf } from './contributions.js'
import type { Record } from './disk.js'
import { contributionOf, type Memory, type SimulatedPeer } from './peer.js'
import type { Processes } from './processes.js'
import type { Promises } from './promises.js'
import type { SimulatedTask, TrainedRound } from './task.js'

/** The engine fails; the pseudo-gradient is not a number; its norm is not the one its manifest states. */
export type Sabotage = 'engine-fails' | 'not-finite' | 'wrong-norm'

/** What becomes of the rounds of workers that are whole clusters. */
export interface ClusterWorkers {
  /** @returns false if this peer is no such worker: it trains itself */
  begun(worker: SimulatedPeer, assignment: Assignment, theta: Float32Array): boolean
  settled(worker: SimulatedPeer, assignment: AssignmentId, outcome: Verdict['kind'] | null): void
  ended(worker: SimulatedPeer, outcome: string, reason: string): void
  /** @returns whether its account is kept back until its cluster is at its end too */
  keepsAccount(worker: SimulatedPeer, say: (account: Farewell) => void): boolean
}

export interface RoundParts {
  readonly clock: VirtualClock
  readonly processes: Processes
  readonly promises: Promises
  readonly task: SimulatedTask
  /** Also those that the run does not allow. */
  readonly allCodecs: ReadonlyMap<CodecName, Codec>
  /** In which contributions are sent; 1 where everything is sent at once. */
  readonly fragments: number
  /** alpha; 0 where theta is taken in as it is. */
  readonly mixing: number
  readonly sabotage: (peer: string, assignment: Assignment) => Sabotage | null
  /** In the swarm above others: the clusters that work there. */
  readonly above: ClusterWorkers | null
}

/** A round from its beginning until it is told of. */
interface RoundUnderWay {
  readonly assignment: Assignment
  readonly codec: CodecName
  cancelled: boolean
  /** Of a run that mixes; and the own contributions that it took in. */
  readonly drift: Float32Array | null
  readonly takenIn: readonly AssignmentId[]
}

export class Rounds {
  constructor(private readonly parts: RoundParts) {}

  train(
    peer: SimulatedPeer,
    memory: Memory,
    { assignment: given, base, without, codec }: EffectOf<'train'>,
  ): void {
    const { above, clock, processes } = this.parts
    const version = memory.snapshots.get(base)
    if (version === undefined) {
      const reason = `version ${base} is not held here any more`
      processes.tellAfter(peer, 0, { type: 'training-failed', assignment: given.id, reason })
      return
    }
    const assignment = { ...given, base }
    if (above?.begun(peer, assignment, version.outer.theta) === true) return
    const roundMs = assignment.steps * peer.device.secondsPerStep * 1000
    const own = without.flatMap((id) => peer.disk.records.get(id) ?? [])
    const { position, ...mixed } = this.#startFrom(memory, version.outer.theta, own)
    const round: RoundUnderWay = { assignment, codec, cancelled: false, ...mixed }
    const finish = processes.ifAlive(peer, () => this.#finish(peer, memory, round, position))
    const cancel = clock.after(roundMs, finish)
    memory.cancelTraining = () => {
      round.cancelled = true
      cancel()
    }
  }

  forget(
    peer: SimulatedPeer,
    memory: Memory,
    { assignment, outcome }: EffectOf<'forget-contribution'>,
  ): void {
    const { promises, above } = this.parts
    if (outcome !== null) promises.work.forgotten(assignment, outcome)
    above?.settled(peer, assignment, outcome)
    this.#settle(peer, memory, assignment, outcome === 'apply')
  }

  /** @param own contributions that theta lacks */
  #startFrom({ residual, standing, takenIn }: Memory, theta: Float32Array, own: readonly Record[]) {
    const after = (start: Float32Array, record: Record) =>
      positionAfter(start, record.gradient, record.residual)
    const { fragments, mixing } = this.parts
    if (fragments === 1) return { position: own.reduce(after, theta), drift: null, takenIn: [] }
    // With all that it moved and did not send.
    const position = theta.slice()
    if (residual !== null) takeAway(position, residual)
    for (const { manifest, gradient } of own)
      takeAway(position, gradient, fragmentOf(manifest, theta.length, fragments).start)
    if (mixing === 0) return { position, drift: null, takenIn: [] }
    const drift = standing?.drift.slice() ?? new Float32Array(theta.length)
    const taken = new Set(takenIn.values())
    for (let index = 0; index < fragments; index++) {
      const { start, end } = fragmentAt(theta.length, fragments, index)
      const stood = taken.has(index) ? (standing?.end.subarray(start, end) ?? null) : null
      mixIn(position.subarray(start, end), drift.subarray(start, end), stood, mixing)
    }
    return { position, drift, takenIn: [...takenIn.keys()] }
  }

  #finish(peer: SimulatedPeer, memory: Memory, round: RoundUnderWay, start: Float32Array): void {
    const { task, clock, processes } = this.parts
    const { assignment } = round
    const sabotage = this.parts.sabotage(peer.name, assignment)
    if (sabotage === 'engine-fails') {
      const reason = 'the engine failed'
      processes.tellAfter(peer, 0, { type: 'training-failed', assignment: assignment.id, reason })
      return
    }
    clock.when(task.train(start, assignment, peer.name), (trained) => {
      if (peer.memory === memory && !round.cancelled)
        this.#save(peer, memory, round, start, trained, sabotage)
    })
  }

  #save(
    peer: SimulatedPeer,
    memory: Memory,
    round: RoundUnderWay,
    start: Float32Array,
    { gradient: g, loss }: TrainedRound,
    sabotage: Sabotage | null,
  ): void {
    const { allCodecs, fragments, processes } = this.parts
    const { secondsPerStep } = peer.device
    const { id, steps } = round.assignment
    // As it is where a round goes on from an own one that was not finite.
    if (firstNonFinite(g) >= 0) {
      const reason = 'the pseudo-gradient is not finite; it is not sent'
      processes.tellAfter(peer, 0, { type: 'training-failed', assignment: id, reason })
      return
    }
    const codec = codecNamed(allCodecs, round.codec)
    const measured = { speed: 1 / secondsPerStep, loss }
    const sound = contributionOf(round.assignment, g, memory.residual, codec, measured, fragments)
    const { drift, takenIn } = round
    const standing = drift === null ? null : { end: subtract(start, g), drift }
    const record = sabotaged(sound, sabotage)
    memory.residual = record.residual?.after ?? null
    memory.standing = standing
    for (const taken of takenIn) memory.takenIn.delete(taken)
    const saved = processes.ifAlive(peer, () => {
      if (round.cancelled) return this.#settle(peer, memory, id, false)
      const ms = secondsPerStep * 1000
      processes.tell(peer, { type: 'stepped', assignment: id, step: steps, loss, ms })
      processes.tell(peer, { type: 'trained', manifest: record.manifest })
    })
    peer.disk.saveRecord({ ...record, ...(standing !== null && { standing }) }, saved)
  }

  /** Its verdict is known: a round that came to nothing leaves nothing in the residual. */
  #settle(peer: SimulatedPeer, memory: Memory, id: AssignmentId, applied: boolean): void {
    const record = peer.disk.records.get(id)
    const made = record?.residual ?? null
    if (applied && record?.manifest.fragment !== undefined && this.parts.mixing > 0)
      memory.takenIn.set(id, record.manifest.fragment)
    if (!applied && made !== null && memory.residual !== null)
      memory.residual = withoutRound(memory.residual, made)
    peer.disk.settleRecord(id, memory.residual)
  }
}

function sabotaged(sound: Record, sabotage: Sabotage | null): Record {
  const { manifest, gradient } = sound
  if (sabotage === 'not-finite') gradient[0] = Number.NaN
  return sabotage === 'wrong-norm' ? { ...sound, manifest: { ...manifest, norm: 2 * manifest.norm } } : sound
}
