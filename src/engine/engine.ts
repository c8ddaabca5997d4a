// What executes a model: an engine holds parameters on its device, takes training steps and computes logits.
import type { InnerState, MemoryReport } from '../ports/trainer.js'

export interface Engine {
  /** e.g. `wasm`. */
  readonly name: string
  /** Why this one, in words; empty where there is nothing to say. */
  readonly reason: string
  /** Compute threads in use. */
  readonly threads: number
  /** What training takes, once it was planned. */
  readonly memory?: MemoryReport
  /** Copies parameters and inner state to the device, where steps advance them. The copies are the session's. */
  train(theta: Float32Array, inner: InnerState): TrainingSession
  /** Copies parameters to the device for evaluation and generation. */
  infer(theta: Float32Array): InferenceSession
}

export interface StepMetrics {
  /** nats per token, before the update. */
  readonly loss: number
  /** Global norm of the gradient, before clipping. */
  readonly norm: number
}

/** Whether the step was taken: where it is not finite the state stays as it was. */
export const isFiniteStep = ({ loss, norm }: StepMetrics): boolean =>
  Number.isFinite(loss) && Number.isFinite(norm)

export interface TrainingSession {
  /**
   * One optimizer step on `tokens`, [B, T + 1] flat; `isFiniteStep` tells of its metrics whether it was taken.
   */
  step(tokens: Int32Array, learningRate: number): Promise<StepMetrics>
  /** Copies of the current parameters and inner state. */
  read(): Promise<{ theta: Float32Array; inner: InnerState }>
  /** Frees the device's memory. */
  dispose(): void
}

export interface InferenceSession {
  /** Mean cross-entropy of `tokens`, rows of T + 1 flat, in nats per token. */
  loss(tokens: Int32Array): Promise<number>
  /** Logits [V] of the token after `tokens`, at most T of them. */
  nextLogits(tokens: readonly number[]): Promise<Float32Array>
  dispose(): void
}
