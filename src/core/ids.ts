// Branded names of the things the protocol speaks about, so that one is never passed for another.

declare const brand: unique symbol
type Brand<Base, Name extends string> = Base & { readonly [brand]: Name }

/** A peer's public key in libp2p's text form; taken from the connection or signature, never from a field. */
export type PeerId = Brand<string, 'PeerId'>
/** Hash of a run's genesis, lower-case hex. */
export type RunId = Brand<string, 'RunId'>
/** Names one assignment for ever: `a` and the ledger index of the entry that made it. */
export type AssignmentId = Brand<string, 'AssignmentId'>
/** SHA-256, lower-case hex. */
export type Hash = Brand<string, 'Hash'>

/** SHA-256 of bytes, handed in where it is needed: the pure layers know no platform. */
export type Sha256 = (bytes: Uint8Array) => Hash

/** How many entries have changed theta. */
export type Version = number
/** Election counter; fences leaders. */
export type Term = number
/** How often a run was recovered by force; everything of an earlier epoch is void. */
export type Epoch = number
/** Position in the ledger; the first entry has index 1. */
export type Index = number

export const peerId = (text: string): PeerId => text as PeerId
export const runId = (text: string): RunId => text as RunId
export const hash = (hex: string): Hash => hex as Hash
export const assignmentId = (index: Index): AssignmentId => `a${index}` as AssignmentId
/** Of the entry that made an assignment. */
export const indexOf = (id: AssignmentId): Index => Number(id.slice(1))
