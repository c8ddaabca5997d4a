// What a worker does with an assignment: trains in its thread, makes the contribution durable, then tells.

import type { CodecName } from '../core/codec-names.js'
import type { Assignment, Verdict } from '../core/entries.js'
import type { AssignmentId, Hash } from '../core/ids.js'
import type { Manifest } from '../core/messages.js'
import { fragmentCount } from '../outer/fragments.js'
import { RoundAborted, type RoundResult, type Trainer } from '../ports/trainer.js'
import type { FinishedRound, WorkerRecord } from '../store/worker-record.js'
import type { RunConfig } from '../swarmfile/schema.js'
import { codecNamed, codecsOf } from '../tensor/codec.js'
import { positionAfter, type Residual, withoutRound } from '../tensor/error-feedback.js'
import { fragmentAt } from '../tensor/fragments.js'
import type { Standing } from '../tensor/mixing.js'
import { subtract } from '../tensor/vector.js'
import type { Account } from './account.js'
import type { Dispatch } from './driver.js'
import { carriedOn, type Lacking, mixed } from './positions.js'
import { reasonOf } from './reason.js'
import { inSlices } from './slices.js'

/** What a restarted worker needs to send the same bytes again and to train on. */
export interface WorkerRecords {
  save(round: FinishedRound): Promise<void>
  /** The verdict on this assignment is known. */
  settle(assignment: AssignmentId, outcome: Verdict['kind']): Promise<void>
}

type KeptRecord = Pick<WorkerRecord, 'contributions' | 'residual'> &
  Partial<Pick<WorkerRecord, 'thetaEnd' | 'drift' | 'takenIn'>>

/** What of a run's configuration a worker's rounds go by. */
export type RoundRules = Pick<RunConfig, 'compression' | 'fragments'>

interface Kept {
  readonly manifest: Manifest
  readonly bytes: Uint8Array
  /** What coding it made of the residual; null if nothing was lost. */
  readonly residual: Residual | null
}

/** Where a round begins; of a run that mixes also the drift, and the contributions that were taken in. */
interface Start {
  readonly position: Float32Array
  readonly drift: Float32Array | null
  readonly takenIn: readonly AssignmentId[]
}

/** A round from its beginning until it is told of. */
interface Attempt {
  aborted: boolean
}

export class Rounds {
  /** Finished contributions that are still of use, oldest first. */
  readonly #kept = new Map<AssignmentId, Kept>()
  /** What coding has lost until now, unsettled rounds taken as applied; null if nothing. */
  #residual: Float32Array | null = null
  /** After the latest round; null where the run does not mix. */
  #standing: Standing | null = null
  /** Own contributions that were applied since, and the fragments that they are of. */
  readonly #takenIn = new Map<AssignmentId, number>()
  #attempt: Attempt = { aborted: true }
  /** Rounds are coded and settled one after another: each changes the residual that the next goes on from. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    private readonly trainer: Trainer,
    private readonly records: WorkerRecords,
    private readonly run: RoundRules,
    private readonly account: Account,
    private readonly dispatch: Dispatch,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** What survived a restart. */
  restore({ contributions, residual, thetaEnd, drift, takenIn }: KeptRecord): void {
    for (const { manifest, payload: bytes, residual: made } of contributions)
      this.#kept.set(manifest.assignment, { manifest, bytes, residual: made })
    this.#residual = residual
    if (thetaEnd && drift) this.#standing = { end: thetaEnd.theta, drift }
    if (takenIn !== undefined) this.#takenIn.set(takenIn.assignment, takenIn.fragment)
  }

  /**
   * Trains from a version.
   *
   * @param theta of the assignment's base version
   * @param without own contributions that the version lacks, and that the round goes on from
   * @param codec by which what comes of it is sent
   */
  train(
    assignment: Assignment,
    theta: Float32Array,
    without: readonly AssignmentId[],
    codec: CodecName,
  ): void {
    this.account.begin()
    const attempt = { aborted: false }
    this.#attempt = attempt
    this.#run(attempt, assignment, theta, without, codec).catch((error: Error) => {
      if (error instanceof RoundAborted) return
      this.dispatch({ type: 'training-failed', assignment: assignment.id, reason: reasonOf(error) })
    })
  }

  abort(): void {
    this.#attempt.aborted = true
    this.trainer.abort()
  }

  /** A finished contribution that waits for its verdict. */
  payload({ assignment, payload }: Manifest): Uint8Array | null {
    const kept = this.#kept.get(assignment)
    return kept?.manifest.payload === payload ? kept.bytes : null
  }

  /** Payload by hash, for those who pull it. */
  held(hash: Hash): Uint8Array | null {
    for (const { manifest, bytes } of this.#kept.values()) if (manifest.payload === hash) return bytes
    return null
  }

  /**
   * A contribution is needed no more.
   *
   * @param outcome null if it was settled without this peer's hearing how; then nothing of it counts
   */
  forget(assignment: AssignmentId, outcome: Verdict['kind'] | null): void {
    const kept = this.#kept.get(assignment)
    if (kept === undefined) return
    this.#kept.delete(assignment)
    const { fragment } = kept.manifest
    if (outcome === 'apply' && fragment !== undefined && this.#mixing > 0)
      this.#takenIn.set(assignment, fragment)
    this.#inTurn(async () => {
      await this.records.settle(assignment, outcome ?? 'expire')
      if (outcome !== 'apply') this.#residual = await this.#residualWithout(kept.residual)
    }).catch(this.fail)
  }

  async #run(
    attempt: Attempt,
    assignment: Assignment,
    theta: Float32Array,
    without: readonly AssignmentId[],
    codec: CodecName,
  ): Promise<void> {
    const { id, shard, position, steps } = assignment
    const start = await this.#startFrom(theta, without)
    if (attempt.aborted) return
    const result = await this.trainer.train({ theta: start.position, shard, position, steps }, (report) => {
      this.account.stepped(report)
      const { step, loss, ms } = report
      this.dispatch({ type: 'stepped', assignment: id, step, loss, ms })
    })
    this.account.roundDone(result.emulatedMs)
    await this.#inTurn(() => this.#finish(attempt, assignment, start, result, codec))
  }

  async #startFrom(theta: Float32Array, without: readonly AssignmentId[]): Promise<Start> {
    const { fragments } = this.run
    if (fragmentCount(this.run) === 1 || fragments === undefined)
      return { position: await this.#less(theta, without), drift: null, takenIn: [] }
    // As it is now: what is settled before changes the residual first, what is settled after does not count yet.
    const lacking = without.flatMap((id): Lacking[] => {
      const kept = this.#kept.get(id)
      return kept === undefined
        ? []
        : [{ payload: kept.bytes, ...this.#formatOf(kept.manifest, theta.length) }]
    })
    return this.#inTurn(async () => {
      const position = await carriedOn(theta, this.#residual, lacking)
      if (this.#mixing === 0) return { position, drift: null, takenIn: [] }
      const takenIn = [...this.#takenIn.keys()]
      const drift = await mixed(position, this.#standing, new Set(this.#takenIn.values()), fragments)
      return { position, drift, takenIn }
    })
  }

  get #mixing(): number {
    return this.run.fragments?.mixing ?? 0
  }

  #formatOf({ codec: name, fragment = 0 }: Pick<Manifest, 'codec' | 'fragment'>, parameters: number) {
    const codec = codecNamed(codecsOf(this.run.compression), name)
    return { codec, fragment: fragmentAt(parameters, fragmentCount(this.run), fragment) }
  }

  /** Where this worker stood after contributions that theta lacks. */
  async #less(theta: Float32Array, without: readonly AssignmentId[]): Promise<Float32Array> {
    let start = theta
    for (const id of without) {
      const kept = this.#kept.get(id)
      if (kept !== undefined) start = await this.#after(start, kept)
    }
    return start
  }

  async #after(start: Float32Array, { manifest, bytes, residual }: Kept): Promise<Float32Array> {
    const { codec } = this.#formatOf(manifest, start.length)
    const end = new Float32Array(start.length)
    await inSlices(start.length, (from, to) => {
      const payload = bytes.subarray(codec.encodedBytes(from), codec.encodedBytes(to))
      const sent = codec.decode(payload, to - from)
      end.set(positionAfter(start.subarray(from, to), sent, partOf(residual, from, to)), from)
    })
    return end
  }

  async #residualWithout(made: Residual | null): Promise<Float32Array | null> {
    const residual = this.#residual
    if (made === null || residual === null) return residual
    if (residual === made.after) return made.before
    const rest = new Float32Array(residual.length)
    await inSlices(rest.length, (from, to) => {
      const part = { before: made.before.subarray(from, to), after: made.after.subarray(from, to) }
      rest.set(withoutRound(residual.subarray(from, to), part), from)
    })
    return rest
  }

  async #finish(
    attempt: Attempt,
    { id, base, fragment }: Assignment,
    { position, drift, takenIn }: Start,
    result: RoundResult,
    codec: CodecName,
  ) {
    // One of the same assignment was never told of: this one takes its place.
    const before = await this.#residualWithout(this.#kept.get(id)?.residual ?? null)
    if (attempt.aborted) return
    const { gradient, steps, meanLoss: loss, trainMs, inner } = result
    const { density } = this.run.compression
    const of = fragment === undefined ? {} : { fragment }
    const {
      payload,
      cut,
      norm,
      residual: after,
    } = await this.trainer.code({
      gradient,
      residual: before,
      codec,
      fragment: this.#formatOf({ codec, ...of }, gradient.length).fragment,
      density,
    })
    if (attempt.aborted) return
    const manifest = {
      assignment: id,
      base,
      steps,
      codec,
      ...of,
      norm,
      speed: (steps * 1000) / trainMs,
      loss,
      ...cut,
    }
    const residual = after === null ? null : { before: before ?? new Float32Array(after.length), after }
    const standing = drift === null ? null : { end: await endOf(position, gradient), drift }
    const kept = { thetaEnd: standing?.end ?? null, ...(drift !== null && { drift }) }
    try {
      await this.records.save({ contribution: { manifest, payload }, inner, residual, ...kept })
      // Nobody will hear of it, nor judge it.
      if (attempt.aborted) return await this.records.settle(id, 'expire')
    } catch (error) {
      return this.fail(error)
    }
    this.#residual = after
    this.#standing = standing
    for (const taken of takenIn) this.#takenIn.delete(taken)
    this.#kept.set(id, { manifest, bytes: payload, residual })
    this.dispatch({ type: 'trained', manifest })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work)
    this.#last = result.catch(() => {})
    return result
  }
}

/** Where a round that went so far from there ended. */
async function endOf(position: Float32Array, gradient: Float32Array): Promise<Float32Array> {
  const end = new Float32Array(position.length)
  await inSlices(end.length, (from, to) =>
    end.set(subtract(position.subarray(from, to), gradient.subarray(from, to)), from),
  )
  return end
}

const partOf = (residual: Residual | null, from: number, to: number): Residual | null =>
  residual === null
    ? null
    : { before: residual.before.subarray(from, to), after: residual.after.subarray(from, to) }
