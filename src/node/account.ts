// A peer's own account: how its time went, how responsive its network thread was, what it sent.
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import type { Farewell } from '../core/messages.js'
import type { Report } from '../core/reports.js'
import type { Traffic } from '../ports/mesh.js'
import type { StepReport } from '../ports/trainer.js'

/** Sampling period of the event-loop delay; Node's figures include it, ours do not. */
const resolutionMs = 5

export class Account {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: resolutionMs })
  #beganAt: number | null = null
  #endedAt: number | null = null
  #trainedMs = 0
  #emulatedMs = 0
  #steps = 0

  constructor(private readonly now: () => number) {}

  /** The first round begins: from here on wall-clock counts. */
  begin(): void {
    if (this.#beganAt !== null) return
    this.#beganAt = this.now()
    this.#delay.enable()
  }

  /** No more rounds: what follows (the last validation, farewells) is not training time lost. */
  finish(): void {
    this.#endedAt ??= this.now()
    this.#delay.disable()
  }

  stepped({ ms }: StepReport): void {
    this.#steps++
    this.#trainedMs += ms
  }

  roundDone(emulatedMs: number): void {
    this.#emulatedMs += emulatedMs
  }

  /** Share of wall-clock spent in local steps, emulated slowdown included. */
  get utilisation(): number {
    if (this.#beganAt === null) return 0
    return this.#trainedMs / Math.max(1, (this.#endedAt ?? this.now()) - this.#beganAt)
  }

  /** Share of wall-clock that emulated a slower device. */
  get emulated(): number {
    if (this.#beganAt === null) return 0
    return this.#emulatedMs / Math.max(1, (this.#endedAt ?? this.now()) - this.#beganAt)
  }

  get eventLoopP99Ms(): number {
    const p99 = this.#delay.percentile(99) / 1e6
    return Number.isFinite(p99) ? Math.max(0, p99 - resolutionMs) : 0
  }

  farewell(traffic: Traffic): Farewell {
    return {
      type: 'farewell',
      utilisation: this.utilisation,
      emulated: this.emulated,
      bytesSent: { ...traffic.sent },
      interClusterBytes: traffic.interClusterSent,
    }
  }

  report(traffic: Traffic): Extract<Report, { type: 'peer-finished' }> {
    return {
      type: 'peer-finished',
      steps: this.#steps,
      utilisation: this.utilisation,
      emulated: this.emulated,
      eventLoopP99Ms: this.eventLoopP99Ms,
      bytesSent: { ...traffic.sent },
      bytesReceived: { ...traffic.received },
      interClusterBytes: traffic.interClusterSent,
    }
  }
}
