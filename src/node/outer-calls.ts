// What crosses between a peer's main thread and the thread of its outer state: calls, answers, errors.

import type { CodecName } from '../core/codec-names.js'
import type { Hash, Version } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import { type ErrorKind, UserError } from '../core/user-error.js'
import type { WholeState } from '../outer/fragments.js'
import { type OuterRules, type StateDigests, VersionBroken } from '../outer/snapshot.js'
import type { RunConfig } from '../swarmfile/schema.js'
import type { Cut } from '../wire/chunks.js'

/** Whole states of this many versions are kept for replicas that join at them: a window may apply several in a row. */
export const statesKept = 4

/** A vector in memory of its own, which can change hands between threads. */
export type OwnVector = Float32Array<ArrayBuffer>

export interface OwnState extends WholeState {
  readonly theta: OwnVector
  readonly slots: Readonly<Record<string, OwnVector>>
}

/** What was made of a version. Its theta is the caller's. */
export interface MadeVersion extends StateDigests {
  readonly theta: OwnVector
  readonly phases: readonly number[]
}

/** What the main thread learns of a state that was installed. */
export interface Installed extends MadeVersion {
  /** Where to write the bytes of the next pseudo-gradient, part by part. */
  readonly inbox: readonly Uint8Array[]
}

/** A payload that is to be decoded. */
export interface CodedPayload {
  readonly codec: CodecName
  readonly bytes: Uint8Array
}

/** The report of a cluster. */
export interface CodedReport {
  readonly payload: Uint8Array
  readonly cut: Cut
  /** Euclidean norm of what it decodes to. */
  readonly norm: number
}

/** What the thread is told when it starts. */
export type OuterSetup = OuterRules & Pick<RunConfig, 'compression'>

/**
 * Every call of the thread, with what it takes and what it gives. Large arrays change hands instead of being shared:
 * no thread's garbage collector reckons with the size of shared memory, so that it would pile up.
 */
export interface Calls {
  install: {
    takes: { readonly outer: OwnState; readonly version: Version; readonly expected: Hash | null }
    gives: Installed
  }
  /** Of an encoded snapshot. */
  receive: {
    takes: { readonly bytes: Uint8Array; readonly expected: Hash }
    gives: Installed & { readonly ledger: LedgerState }
  }
  apply: {
    takes: {
      readonly version: Version
      readonly payload: Hash
      /** The payload and its codec; null if it is in the inbox, as fp32 that needs no decoding. */
      readonly coded: CodedPayload | null
      /** What it is of; everything unless given. */
      readonly fragment?: number
      readonly weight: number
      /** Memory for theta that nobody uses any more. */
      readonly spare: OwnVector | null
    }
    gives: MadeVersion
  }
  /** Takes in the theta of a swarm above. */
  merge: {
    takes: {
      readonly version: Version
      readonly above: OwnVector
      /** What was reported and applied there since the last time; null if nothing was. */
      readonly sent: CodedPayload | null
      /** Whether what was moved and not reported is given up. */
      readonly afresh: boolean
    }
    gives: MadeVersion
  }
  /** What a cluster has moved by the newest version and not reported there, coded. */
  report: { takes: { readonly codec: CodecName }; gives: CodedReport }
  /** Copies. */
  slots: { takes: { readonly stateDigest: Hash }; gives: OwnState['slots'] | null }
  /** A snapshot's bytes but for those of theta, which the caller has. */
  encode: {
    takes: { readonly phases: readonly number[]; readonly ledger: LedgerState } & StateDigests
    gives: { readonly bytes: Uint8Array; readonly thetaAt: number } | null
  }
}
export type CallName = keyof Calls

export type Call = {
  [Name in CallName]: { readonly id: number; readonly name: Name; readonly takes: Calls[Name]['takes'] }
}[CallName]

export type Answer =
  | { readonly kind: 'done'; readonly id: number; readonly gives: Calls[CallName]['gives'] }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ErrorWords }

/** An error as data: its class does not survive the passage between threads. */
export type ErrorWords =
  | { readonly is: 'broken'; readonly version: Version; readonly what: string }
  | { readonly is: 'user'; readonly kind: ErrorKind; readonly message: string; readonly remedy: string }
  | { readonly is: 'other'; readonly message: string; readonly stack: string }

export function toWords(error: unknown): ErrorWords {
  if (error instanceof VersionBroken) return { is: 'broken', version: error.version, what: error.what }
  if (error instanceof UserError) {
    return { is: 'user', kind: error.kind, message: error.message, remedy: error.remedy }
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  return { is: 'other', message, stack: stack ?? '' }
}

export function fromWords(words: ErrorWords): Error {
  switch (words.is) {
    case 'broken':
      return new VersionBroken(words.version, words.what)
    case 'user':
      return new UserError(words.kind, words.message, words.remedy)
    case 'other':
      return new Error(words.message, { cause: words.stack })
  }
}

export const notHeld = (version: Version): Error => new Error(`version ${version} is not held`)
