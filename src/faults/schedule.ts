// Which faults come when: drawn from a seed, so that a run that broke can be broken again in the same way.
import { permute, uniform } from '../outer/random.js'
import type { FaultsConfig } from '../swarmfile/schema.js'
import type { FaultKind } from './records.js'

export interface Fault {
  /** After the voters are there, or the first version where there is one voter only. */
  readonly atMs: number
  readonly forMs: number
  readonly kind: FaultKind
  /** Whoever leads then, if it can be had. */
  readonly leader: boolean
  /** The peers in the order in which they are considered: the first that is up is taken. */
  readonly order: readonly string[]
  /** Of faults of the network: connections break at once, else they fall silent. */
  readonly abrupt: boolean
}

/** What a draw is for: no two uses share numbers. */
const draw = { order: 1, gap: 2, length: 3, leader: 4, kind: 5, abrupt: 6, peers: 7 } as const
/** A fault of another kind than a kill lasts this often the time that was asked for, drawn evenly. */
const lengths = { least: 0.5, most: 2 } as const
/** Every other fault of a single peer is meant for the leader: it is what the others depend on. */
const leaderShare = 0.5

/** The faults that were asked for, in order of time. */
export function scheduleFaults(config: FaultsConfig, peers: readonly string[], clusters: number): Fault[] {
  const { seed, everySeconds, restartAfterSeconds } = config
  const kinds = drawnKinds(config, clusters)
  let atMs = 0
  return kinds.map((kind, number) => {
    const chance = (purpose: number) => uniform(seed, purpose, number)
    const between = (least: number, most: number, purpose: number) => least + (most - least) * chance(purpose)
    atMs += 1000 * between(everySeconds[0], everySeconds[1], draw.gap)
    const factor = kind === 'kill' ? 1 : between(lengths.least, lengths.most, draw.length)
    return {
      atMs: Math.round(atMs),
      forMs: Math.round(1000 * restartAfterSeconds * factor),
      kind,
      leader: kind !== 'split' && chance(draw.leader) < leaderShare,
      order: shuffled(peers, seed, draw.peers + number),
      abrupt: chance(draw.abrupt) < 1 / 2,
    }
  })
}

/** As many of each as was asked for, in an order drawn from the seed. */
function drawnKinds({ seed, kills, pauses, partitions }: FaultsConfig, clusters: number): FaultKind[] {
  const ways: readonly FaultKind[] = clusters > 1 ? ['isolate', 'split', 'mute'] : ['isolate', 'mute']
  const first = Math.floor(ways.length * uniform(seed, draw.kind))
  const kinds: FaultKind[] = [
    ...Array.from({ length: kills }, () => 'kill' as const),
    ...Array.from({ length: pauses }, () => 'pause' as const),
    ...Array.from({ length: partitions }, (_, number) => ways[(first + number) % ways.length]),
  ]
  return shuffled(kinds, seed, draw.order)
}

function shuffled<Item>(items: readonly Item[], seed: number, purpose: number): Item[] {
  const key = Math.floor(2 ** 32 * uniform(seed, draw.order, purpose))
  return items.map((_, at) => items[permute(at, items.length, key)])
}
