// What a worker does with an assignment: trains in its thread, makes the contribution durable, then tells.
import type { Assignment } from '../core/entries.js'
import type { AssignmentId, Hash } from '../core/ids.js'
import type { Manifest } from '../core/messages.js'
import { sha256 } from '../platform/sha256.js'
import { type InnerState, RoundAborted, type RoundResult, type Trainer } from '../ports/trainer.js'
import { codecs } from '../tensor/codec.js'
import { firstNonFinite, norm } from '../tensor/vector.js'
import { manifestOf } from '../wire/chunks.js'
import type { Account } from './account.js'
import type { Dispatch } from './driver.js'

/** One durable record: what a restarted worker needs to send the same bytes again and to train on. */
export interface WorkerRecords {
  save(record: { manifest: Manifest; payload: Uint8Array; inner: InnerState }): Promise<void>
  /** The verdict on this contribution is known. */
  settle(manifest: Manifest): Promise<void>
}

export class Rounds {
  #payload: { readonly manifest: Manifest; readonly bytes: Uint8Array } | null = null

  constructor(
    private readonly trainer: Trainer,
    private readonly records: WorkerRecords,
    private readonly account: Account,
    private readonly dispatch: Dispatch,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** A contribution that survived a restart. */
  restore(manifest: Manifest, bytes: Uint8Array): void {
    this.#payload = { manifest, bytes }
  }

  train(assignment: Assignment, theta: Float32Array): void {
    const { id, shard, position, steps } = assignment
    this.account.begin()
    this.trainer
      .train({ theta, shard, position, steps }, (report) => {
        this.account.stepped(report)
        const { step, loss, ms } = report
        this.dispatch({ type: 'stepped', assignment: id, step, loss, ms })
      })
      .then((result) => this.#finish(assignment, result))
      .catch((error: Error) => {
        if (error instanceof RoundAborted) return
        this.dispatch({ type: 'training-failed', assignment: id, reason: error.message })
      })
  }

  abort(): void {
    this.trainer.abort()
  }

  /** The finished contribution that waits for its verdict. */
  payload(manifest: Manifest): Uint8Array | null {
    return this.#payload?.manifest.payload === manifest.payload ? this.#payload.bytes : null
  }

  /** Payload by hash, for those who pull it. */
  held(hash: Hash): Uint8Array | null {
    return this.#payload?.manifest.payload === hash ? this.#payload.bytes : null
  }

  /** The verdict on this assignment is known: its contribution, if it is the one kept, is needed no more. */
  forget(assignment: AssignmentId): void {
    const kept = this.#payload
    if (kept?.manifest.assignment !== assignment) return
    this.#payload = null
    this.records.settle(kept.manifest).catch(this.fail)
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
      await this.records.save({ manifest, payload, inner })
    } catch (error) {
      return this.fail(error)
    }
    this.#payload = { manifest, bytes: payload }
    this.dispatch({ type: 'trained', manifest })
  }
}
