// What crosses between a peer's main thread and its training thread: calls, answers, progress, errors.
import { type ErrorKind, UserError } from '../core/user-error.js'
import {
  type Coded,
  type EngineInfo,
  type Evaluation,
  type InnerState,
  type Round,
  RoundAborted,
  type RoundResult,
  type StepReport,
  type TrainerSetup,
  type Uncoded,
} from '../ports/trainer.js'

/** Handed to the thread when it starts. */
export interface ThreadSetup {
  readonly setup: TrainerSetup
  /** One Int32 on shared memory: the id of the call to `train` that is to stop, or CLOSING. */
  readonly aborted: Int32Array
}

/** Stands for every call: the thread ends, once it is not in native code. */
export const CLOSING = -1

/** The message that wakes the thread to see that it is to end. */
export const CLOSE = null

/** Every call of the thread, with what it takes and what it answers. */
export interface Calls {
  initial: { takes: null; gives: Float32Array }
  rehearse: { takes: { theta: Float32Array }; gives: number }
  train: { takes: Round; gives: RoundResult }
  code: { takes: Uncoded; gives: Coded }
  restore: { takes: InnerState; gives: null }
  evaluate: { takes: { theta: Float32Array; batches: number }; gives: Evaluation }
  generate: { takes: Generation; gives: number[] }
}
export type CallName = keyof Calls

export interface Generation {
  readonly theta: Float32Array
  readonly prompt: readonly number[]
  readonly length: number
  readonly temperature: number
  readonly seed: number
}

export type Call = {
  [Name in CallName]: {
    readonly id: number
    readonly name: Name
    readonly takes: Calls[Name]['takes']
    /** The last call to `train` that was aborted: should it have finished all the same, it is undone. */
    readonly undo: number
  }
}[CallName]

/** Answers to a call carry its id; the thread's start counts as call 0 and gives the EngineInfo. */
export type Answer =
  | { readonly kind: 'done'; readonly id: number; readonly gives: Calls[CallName]['gives'] | EngineInfo }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ErrorWords }
  | { readonly kind: 'step'; readonly id: number; readonly report: StepReport }
  /** An engine failed, and another took its place. */
  | { readonly kind: 'replaced'; readonly warning: string; readonly info: EngineInfo }

export const START = 0

/** An error as data: its class does not survive the passage between threads. */
export type ErrorWords =
  | { readonly is: 'aborted'; readonly message: string }
  | { readonly is: 'user'; readonly kind: ErrorKind; readonly message: string; readonly remedy: string }
  | { readonly is: 'other'; readonly message: string; readonly stack: string }

export function toWords(error: unknown): ErrorWords {
  if (error instanceof RoundAborted) return { is: 'aborted', message: error.message }
  if (error instanceof UserError) {
    return { is: 'user', kind: error.kind, message: error.message, remedy: error.remedy }
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  return { is: 'other', message, stack: stack ?? '' }
}

export function fromWords(words: ErrorWords): Error {
  switch (words.is) {
    case 'aborted':
      return new RoundAborted(words.message)
    case 'user':
      return new UserError(words.kind, words.message, words.remedy)
    case 'other':
      return new UserError(
        'engine',
        `the training thread failed: ${words.message}`,
        'try another engine with --engine; if it happens again, report it with the stack trace',
        { cause: words.stack },
      )
  }
}
