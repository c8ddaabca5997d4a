// What a storm exercised: entries committed, faults, changes of who is what. Counted by name, in words.
import { allVoters } from '../core/configuration.js'
import type { Entry } from '../core/entries.js'
import type { TraceLine } from './swarm.js'

/** How often what happened, by `group: what`. */
export type Coverage = Readonly<Record<string, number>>

/** Every entry kind; the rest of what must happen in some storm. */
export const entryKinds: readonly Entry['kind'][] = [
  'no-op',
  'configure',
  'admit',
  'evict',
  'revoke',
  'assign',
  'apply',
  'refuse',
  'expire',
  'validate',
  'finish',
]

const roles = {
  founded: /^it founded the run/,
  'elected after silence': /had been silent for/,
  'elected after a lost connection': /cannot be reached/,
  'elected where nobody led': /^nobody led/,
  'elected by transfer': /handed over to it/,
  'deposed by a newer term': /^term \d+ has begun/,
  'deposed without its voters': /^no majority of the voters has answered/,
  'deposed by its user': /stopped by its user/,
  'deposed by the majority’s state': /is another on .* the majority/,
  'voters grew': /replicas have proved themselves/,
  'voter replaced that was gone': /takes the place of a voter that is gone/,
  'voter replaced that left': /takes the place of a voter that left/,
  'voters shrank': /no replica can take the place/,
  'both sets agreed': /both sets of voters have agreed/,
  'healed after another digest': /has digest \w+ here and \w+ on most voters/,
} as const

const happenings = [
  'snapshot installed',
  'new leader met a round in progress',
  'trained while nobody led',
] as const

export const roleChanges: readonly string[] = [...Object.keys(roles), ...happenings]

export class Counter {
  readonly #counts = new Map<string, number>()

  count(group: string, what: string, by = 1): void {
    const name = `${group}: ${what}`
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by)
  }

  /** One step of a peer. */
  see({ event, effects }: TraceLine, leads: () => boolean): void {
    if (event.type === 'snapshot-installed') this.count('role', 'snapshot installed')
    if (event.type === 'trained' && !leads()) this.count('role', 'trained while nobody led')
    for (const effect of effects) {
      if (effect.type !== 'report') continue
      const { report } = effect
      if (report.type === 'leader' || report.type === 'deposed' || report.type === 'voters')
        this.#role(report.reason)
      if (report.type === 'refused' && report.what === 'own outer state') this.#role(report.reason)
    }
  }

  /** The whole of a committed ledger. */
  entries(committed: readonly Entry[]): void {
    const open = new Set<string>()
    for (const entry of committed) {
      this.count('entry', entry.kind)
      if (entry.kind === 'assign') open.add(entry.assignment.id)
      if (entry.kind === 'apply') open.delete(entry.assignment)
      if (entry.kind === 'apply') this.count('applied', appliedOf(entry.fragment))
      if (entry.kind === 'no-op' && open.size > 0) this.count('role', 'new leader met a round in progress')
      if (entry.kind === 'configure') this.count('voters', String(allVoters(entry).length))
    }
  }

  get counts(): Coverage {
    return Object.fromEntries(this.#counts)
  }

  #role(reason: string): void {
    for (const [role, pattern] of Object.entries(roles)) if (pattern.test(reason)) this.count('role', role)
  }
}

const appliedOf = (fragment: number | undefined): string =>
  fragment === undefined ? 'all at once' : `fragment ${fragment}`

/** Both together. */
export function added(a: Coverage, b: Coverage): Coverage {
  const sum: Record<string, number> = { ...a }
  for (const [name, count] of Object.entries(b)) sum[name] = (sum[name] ?? 0) + count
  return sum
}
