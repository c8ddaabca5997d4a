// What a worker does with an assignment: trains in its thread, makes the contribution durable, then tells.
import type { Assignment, Verdict } from '../core/entries.js'
import type { AssignmentId, Hash } from '../core/ids.js'
import type { Manifest } from '../core/messages.js'
import { sha256 } from '../platform/sha256.js'
import { RoundAborted, type RoundResult, type Trainer } from '../ports/trainer.js'
import type { FinishedRound } from '../store/worker-record.js'
import { codecs } from '../tensor/codec.js'
import { firstNonFinite, norm, subtract } from '../tensor/vector.js'
import { manifestOf } from '../wire/chunks.js'
import type { Account } from './account.js'
import type { Dispatch } from './driver.js'
import { reasonOf } from './reason.js'

/** What a restarted worker needs to send the same bytes again and to train on. */
export interface WorkerRecords {
  save(round: FinishedRound): Promise<void>
  /** The verdict on this assignment is known. */
  settle(assignment: AssignmentId, outcome: Verdict['kind']): Promise<void>
}

interface Kept {
  readonly manifest: Manifest
  readonly bytes: Uint8Array
}

export class Rounds {
  /** Finished contributions that are still of use, oldest first. */
  readonly #kept = new Map<AssignmentId, Kept>()

  constructor(
    private readonly trainer: Trainer,
    private readonly records: WorkerRecords,
    private readonly account: Account,
    private readonly dispatch: Dispatch,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** A contribution that survived a restart. */
  restore(manifest: Manifest, bytes: Uint8Array): void {
    this.#kept.set(manifest.assignment, { manifest, bytes })
  }

  /**
   * Trains from a version.
   *
   * @param theta of the assignment's base version
   * @param without own contributions that the version lacks, and that the round goes on from
   */
  train(assignment: Assignment, theta: Float32Array, without: readonly AssignmentId[]): void {
    const { id, shard, position, steps } = assignment
    this.account.begin()
    const start = this.#less(theta, without)
    this.trainer
      .train({ theta: start, shard, position, steps }, (report) => {
        this.account.stepped(report)
        const { step, loss, ms } = report
        this.dispatch({ type: 'stepped', assignment: id, step, loss, ms })
      })
      .then((result) => this.#finish(assignment, result))
      .catch((error: Error) => {
        if (error instanceof RoundAborted) return
        this.dispatch({ type: 'training-failed', assignment: id, reason: reasonOf(error) })
      })
  }

  abort(): void {
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
    if (!this.#kept.delete(assignment)) return
    this.records.settle(assignment, outcome ?? 'expire').catch(this.fail)
  }

  /** theta - g for every contribution that it lacks: where this worker stood after them. */
  #less(theta: Float32Array, without: readonly AssignmentId[]): Float32Array {
    return without.reduce((start, id) => {
      const kept = this.#kept.get(id)
      if (kept === undefined) return start
      return subtract(start, codecs[kept.manifest.codec].decode(kept.bytes, start.length))
    }, theta)
  }

  async #finish({ id, base }: Assignment, result: RoundResult): Promise<void> {
    this.account.roundDone(result.emulatedMs)
    const bad = firstNonFinite(result.gradient)
    if (bad >= 0)
      throw new Error(`the pseudo-gradient is ${result.gradient[bad]} at parameter ${bad}; it is not sent`)
    const payload = codecs.fp32.encode(result.gradient)
    const { steps, meanLoss: loss, trainMs, inner } = result
    const speed = (steps * 1000) / trainMs
    const round = {
      assignment: id,
      base,
      steps,
      codec: 'fp32',
      norm: norm(result.gradient),
      speed,
      loss,
    } as const
    const manifest = manifestOf(round, payload, sha256)
    try {
      const contribution = { manifest, payload }
      await this.records.save({ contribution, inner, residual: null, thetaEnd: null })
    } catch (error) {
      return this.fail(error)
    }
    this.#kept.set(id, { manifest, bytes: payload })
    this.dispatch({ type: 'trained', manifest })
  }
}
