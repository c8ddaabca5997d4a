// What a network bench asks of its processes, and what they answer.
import type { Hash, PeerId } from '../core/ids.js'
import type { LinkConfig } from '../swarmfile/schema.js'

/** What each question takes. */
export interface Asks {
  start: {
    readonly listen: string
    readonly links: readonly LinkConfig[]
    readonly cluster: string
    readonly places: readonly (readonly [PeerId, string])[]
    /** Bytes per second; null for no cap. */
    readonly upload: number | null
    readonly download: number | null
  }
  place: { readonly peer: PeerId; readonly cluster: string }
  dial: { readonly address: string }
  /** Versions of theta, from 0, that differ. */
  serve: { readonly bytes: number; readonly variants: number }
  fetch: {
    readonly version: number
    readonly donors: readonly PeerId[]
    readonly content: Hash | null
    readonly path: string
  }
  /** Fetches again and again. */
  fetchFor: { readonly ms: number; readonly donors: readonly PeerId[] }
  beat: { readonly to: PeerId; readonly everyMs: number; readonly times: number }
  beats: Record<string, never>
  plainGive: { readonly listen: string; readonly bytes: number }
  plainTake: { readonly listen: string; readonly address: string }
  hash: { readonly bytes: number }
  memory: Record<string, never>
}

/** What each answer gives. */
export interface Answers {
  start: { readonly id: PeerId; readonly addresses: readonly string[] }
  place: null
  dial: null
  serve: { readonly content: Hash }
  fetch: { readonly ms: number; readonly received: number }
  fetchFor: { readonly bytes: number }
  beat: { readonly sent: readonly number[] }
  beats: { readonly beats: readonly { readonly number: number; readonly ms: number }[] }
  plainGive: { readonly addresses: readonly string[] }
  plainTake: { readonly ms: number; readonly bytes: number }
  hash: { readonly ms: number }
  /** Bytes now, and the most since it was asked for last. */
  memory: { readonly rss: number; readonly most: number }
}

export type AskOf<Name extends keyof Asks> = Asks[Name]
export type Ask = {
  [Name in keyof Asks]: { readonly id: number; readonly name: Name; readonly what: Asks[Name] }
}[keyof Asks]
export type Told =
  | { readonly id: number; readonly gives: unknown }
  | { readonly id: number; readonly error: string }
