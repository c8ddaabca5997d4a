// What an examination found out, as measured: what it means is told elsewhere.
import type { ForwardingRouter } from '../../network/reach/router-probe.js'
import type { PathKind } from '../../ports/paths.js'
import type { AddressProbe, Echo, Sightings } from '../../ports/probe.js'
import type { MemoryReport } from '../../ports/trainer.js'

/** Something that was found wrong by those who would use it. */
export interface Problem {
  readonly what: string
  readonly remedy: string
}

export type Fact =
  | { readonly about: 'node'; readonly version: string; readonly least: string }
  /** `reason` is null where it works, here and below. */
  | { readonly about: 'webrtc'; readonly reason: string | null }
  | { readonly about: 'clock'; readonly nowMs: number }
  | { readonly about: 'listen'; readonly address: string; readonly reason: string | null }
  | { readonly about: 'datagrams'; readonly reason: string | null }
  | { readonly about: 'mdns'; readonly heard: { readonly ms: number } | { readonly reason: string } }
  | { readonly about: 'upnp'; readonly found: ForwardingRouter; readonly isPrivate: boolean }
  /** The swarm file, ticket or address given cannot be read. */
  | { readonly about: 'unreadable'; readonly name: 'file' | 'ticket' | 'address'; readonly problem: Problem }
  | {
      readonly about: 'file'
      readonly path: string
      readonly run: string
      readonly peers: number
      readonly clusters: number
    }
  | {
      readonly about: 'ticket'
      readonly run: string | null
      readonly addresses: number
      /** ms since 1970; null for one that never ends, or lets nobody in. */
      readonly expires: number | null
      readonly nowMs: number
    }
  | {
      readonly about: 'relay'
      readonly call: AddressProbe
      /** It keeps a place for this peer, so that others reach it there. */
      readonly hasPlace: boolean
    }
  | { readonly about: 'calls'; readonly calls: readonly AddressProbe[]; readonly withKey: boolean }
  | {
      readonly about: 'admission'
      readonly answer:
        | { readonly kind: 'accepted'; readonly run: string; readonly name: string }
        | { readonly kind: 'refused'; readonly by: string; readonly reason: string; readonly later: boolean }
        | { readonly kind: 'silent'; readonly by: string; readonly reason: string }
      readonly hasTicket: boolean
    }
  | { readonly about: 'version'; readonly own: number; readonly theirs: number | null }
  | {
      readonly about: 'path'
      readonly kind: PathKind
      readonly address: string
      /** Why a relayed path did not become a direct one; null where it need not, or nothing was tried. */
      readonly stays: string | null
    }
  | { readonly about: 'speed'; readonly echo: Echo | Problem }
  /** `aheadMs` of the other clock; it is known to half of the round trip. */
  | { readonly about: 'clocks'; readonly aheadMs: number; readonly roundTripMs: number }
  | { readonly about: 'nat'; readonly sightings: Sightings; readonly seenAs: string | null }
  | {
      readonly about: 'corpus'
      readonly state:
        | {
            readonly kind: 'read'
            readonly source: string
            readonly trainTokens: number
            readonly heldOutTokens: number
          }
        | { readonly kind: 'from-members'; readonly tokens: number }
        | { readonly kind: 'wrong'; readonly problem: Problem }
    }
  | {
      readonly about: 'engine'
      readonly engine:
        | {
            readonly name: string
            readonly reason: string
            readonly threads: number
            readonly parameters: number
            /** Of engines that failed before this one. */
            readonly warnings: readonly string[]
          }
        | Problem
    }
  | { readonly about: 'memory'; readonly plan: MemoryReport }
  | { readonly about: 'step'; readonly stepsPerSecond: number | Problem; readonly batch: number }
  | {
      readonly about: 'disk'
      readonly folder: string
      readonly space:
        | { readonly freeBytes: number; readonly neededBytes: number; readonly keeps: string }
        | Problem
    }
  /** Checks that do not apply here. */
  | { readonly about: 'skipped'; readonly names: readonly string[]; readonly why: string }

/** Is told each fact as soon as it is one. */
export type Tell = (fact: Fact) => void

/** Shows a waiting person what is being found out. */
export type Watch = <Result>(doing: string, task: () => Promise<Result>) => Promise<Result>

/** An error as what is wrong and what to do about it. */
export function problemOf(error: unknown, remedy: string): Problem {
  const { message, remedy: own } = error as Error & { readonly remedy?: string }
  return { what: message, remedy: own ?? remedy }
}

export const isProblem = <T extends object | number>(value: T | Problem): value is Problem =>
  typeof value === 'object' && 'remedy' in value
