// The port through which a peer trains: one engine in one thread, driven round by round.
import type { CodecName } from '../core/codec-names.js'
import type { Manifest } from '../core/messages.js'
import type { InnerConfig, ModelChoice } from '../swarmfile/schema.js'
import type { Fragment } from '../tensor/fragments.js'

/** The tokens of a corpus after the held-out part was cut off; on shared memory, so threads need no copy. */
export interface TokenSplit {
  readonly train: Uint16Array
  readonly heldOut: Uint16Array
  readonly vocabulary: number
}

export interface TrainerSetup {
  readonly model: ModelChoice
  readonly inner: InnerConfig
  readonly seed: number
  readonly tokens: TokenSplit
  readonly shards: number
  /** Total local steps scheduled on each shard, T_i of Eq. 3. */
  readonly scheduleSteps: readonly number[]
  /** Engine name, or `auto`. */
  readonly engine: string
  /** Which of several GPUs; null where none was asked for. */
  readonly device: number | null
  readonly threads: number
  /** Stretches each step to stand for a slower device; 1 is full speed. */
  readonly slowdown: number
  /** Sequences of a batch taken at once, at most; all of them unless given. */
  readonly microBatch?: number
}

export interface EngineInfo {
  /** e.g. `onnx-cpu`. */
  readonly name: string
  /** Why this one, in words. */
  readonly reason: string
  readonly threads: number
  readonly parameters: number
  /** What training takes; of an engine that is planned. */
  readonly memory?: MemoryReport
}

/** What training takes in memory, in bytes, by what it holds. */
export interface MemoryPlan {
  readonly parameters: number
  readonly optimizer: number
  readonly gradient: number
  readonly activations: number
  /** What the engine's libraries take besides. */
  readonly runtime: number
  readonly total: number
  /** Sequences in a batch, and those taken at once. */
  readonly rows: number
  readonly microBatch: number
}

/** The plan with what there was when it was made. */
export interface MemoryReport extends MemoryPlan {
  /** Bytes; null where the engine's device does not tell. */
  readonly available: number | null
}

/** AdamW's state: it belongs to the worker, is never sent and never reset between rounds. */
export interface InnerState {
  readonly m: Float32Array
  readonly v: Float32Array
  /** Updates taken so far; bias corrections follow from it. */
  readonly updates: number
}

export interface Round {
  /** Parameters to start from, flat. Not modified. */
  readonly theta: Float32Array
  readonly shard: number
  /** Local steps reserved on the shard before this round. */
  readonly position: number
  readonly steps: number
}

export interface StepReport {
  /** 1-based within the round. */
  readonly step: number
  /** nats per token. */
  readonly loss: number
  readonly learningRate: number
  readonly ms: number
}

export interface RoundResult {
  /** theta_start - theta_end, flat. */
  readonly gradient: Float32Array
  readonly inner: InnerState
  readonly meanLoss: number
  readonly steps: number
  /** Wall-clock in local steps, emulated slowdown included; and that emulation alone. */
  readonly trainMs: number
  readonly emulatedMs: number
}

/** A round's pseudo-gradient, to be coded. */
export interface Uncoded {
  readonly gradient: Float32Array
  /** What was lost before (error feedback); null if nothing ever was. */
  readonly residual: Float32Array | null
  readonly codec: CodecName
  /** That is sent; all of it unless given. */
  readonly fragment?: Fragment
  /** Of the run, for the codec that needs it. */
  readonly density: number
}

/** What is sent of it, and what stays with the worker. */
export interface Coded {
  readonly payload: Uint8Array
  readonly cut: Pick<Manifest, 'payload' | 'bytes' | 'chunkBytes' | 'chunks'>
  /** Of the decoded values. */
  readonly norm: number
  /** All that is lost now; null if nothing ever was. */
  readonly residual: Float32Array | null
}

export interface Evaluation {
  /** nats per token. */
  readonly loss: number
  readonly tokens: number
}

export class RoundAborted extends Error {
  override readonly name = 'RoundAborted'
}

export interface Trainer {
  /** Of the engine in use: should one fail, another takes its place once, which is told as a warning. */
  readonly info: EngineInfo
  /** Deterministic initial parameters of the run's seed. */
  initial(): Promise<Float32Array>
  /** Steps per second over a few discarded steps, emulated slowdown included. */
  rehearse(theta: Float32Array): Promise<number>
  /** Takes `steps` local steps. Rejects with RoundAborted after `abort`, leaving the inner state as it was. */
  train(round: Round, onStep: (report: StepReport) => void): Promise<RoundResult>
  abort(): void
  /** Codes what a round brought. Rejects if it is not finite. The arrays given are not modified. */
  code(uncoded: Uncoded): Promise<Coded>
  /** Puts back a saved inner state after a restart. */
  restore(inner: InnerState): Promise<void>
  /** Mean loss over `batches` held-out batches, always the same ones. */
  evaluate(theta: Float32Array, batches: number): Promise<Evaluation>
  /** Continues `prompt` (token ids) by `length` tokens. */
  generate(
    theta: Float32Array,
    prompt: readonly number[],
    length: number,
    temperature: number,
    seed: number,
  ): Promise<number[]>
  close(): Promise<void>
}
