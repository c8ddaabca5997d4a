// What goes wrong in a storm. Every fault says how to undo it; one that cannot happen now says so.
import { isMajority } from '../core/configuration.js'
import type { PeerId } from '../core/ids.js'
import type { Configuration } from '../core/ledger.js'
import { configurationOf } from '../core/log.js'
import { BrokenPromise } from './broken-promise.js'
import type { Dice } from './dice.js'
import { quietNetwork } from './network.js'
import type { SimulatedPeer } from './peer.js'
import type { Sabotage } from './rounds.js'
import type { SimulatedSwarm } from './swarm.js'

/** What faults are made of. */
export interface Weather {
  readonly swarm: SimulatedSwarm
  readonly dice: Dice
  /** Peers that lie just now, and what else goes wrong in whose rounds. */
  readonly liars: Set<string>
  readonly sabotaged: Map<string, Sabotage>
  /** Whether nothing else goes wrong just now. */
  readonly isCalm: () => boolean
}

/** Until a flipped bit is found out, by the next version, and its place taken by a snapshot. */
const mostToHealMs = 30_000

type Undo = () => void
/** Null if it cannot happen now. */
type Fault = (weather: Weather) => Undo | null

const kinds = {
  'a peer crashes': ({ swarm, dice }) => crashed(swarm, dice.pick(running(swarm))),
  'the leader crashes': ({ swarm }) => crashed(swarm, leaderOf(swarm)),
  'the leader crashes as it commits': ({ swarm }) => crashedInTheAct(swarm),
  'all crash at once': ({ swarm }) => {
    const undone = running(swarm).map((peer) => crashed(swarm, peer))
    return () => {
      for (const undo of undone) undo?.()
    }
  },
  'a disk is lost': ({ swarm, dice }) => wiped(swarm, dice),
  'the newest snapshot is damaged': ({ swarm, dice }) => {
    const peer = dice.pick(running(swarm).filter(({ disk }) => disk.hasStandIn))
    const undo = crashed(swarm, peer)
    if (undo !== null && peer?.disk.hasStandIn === true) peer.disk.damageNewestSnapshot()
    return undo
  },
  'a peer is cut off': ({ swarm, dice }) => cutOff(swarm, dice.pick(running(swarm))),
  'the leader is cut off': ({ swarm }) => cutOff(swarm, leaderOf(swarm)),
  'clusters are cut apart': ({ swarm, dice }) => {
    const cluster = dice.pick(running(swarm))?.device.cluster
    const inside = running(swarm).filter(({ device }) => device.cluster === cluster)
    const outside = running(swarm).filter(({ device }) => device.cluster !== cluster)
    return blocked(swarm, [...pairs(inside, outside), ...pairs(outside, inside)])
  },
  'a peer is not heard': ({ swarm, dice }) => {
    const peer = dice.pick(running(swarm))
    return peer === undefined ? null : blocked(swarm, pairs([peer], othersThan(swarm, peer)))
  },
  'a peer hears nothing': ({ swarm, dice }) => {
    const peer = dice.pick(running(swarm))
    return peer === undefined ? null : blocked(swarm, pairs(othersThan(swarm, peer), [peer]))
  },
  'two peers lose each other': ({ swarm, dice }) => {
    const peer = dice.pick(running(swarm))
    const other = peer === undefined ? undefined : dice.pick(othersThan(swarm, peer))
    if (peer === undefined || other === undefined) return null
    return blocked(swarm, [
      [peer, other],
      [other, peer],
    ])
  },
  'a process stands still': ({ swarm, dice }) => paused(swarm, dice.pick(running(swarm))),
  'the leader stands still': ({ swarm }) => paused(swarm, leaderOf(swarm)),
  'a peer is stopped by its user': ({ swarm, dice }) => stopped(swarm, dice.pick(running(swarm))),
  'the leader is stopped by its user': ({ swarm }) => stopped(swarm, leaderOf(swarm)),
  'the network is bad': ({ swarm, dice }) => {
    const { network } = swarm
    const usual = swarm.options.network ?? quietNetwork
    network.model = {
      ...usual,
      latencyMs: dice.between(1, 100),
      betweenMs: dice.between(20, 400),
      jitterMs: dice.between(0, 300),
      loss: dice.between(0, 0.4),
      duplication: dice.between(0, 0.4),
    }
    return () => {
      network.model = usual
    }
  },
  'a disk is slow': ({ swarm, dice }) => {
    const peer = dice.pick(running(swarm))
    if (peer === undefined) return null
    const { disk, device } = peer
    disk.slowness = dice.between(20, 300)
    return () => {
      disk.slowness = device.diskSlowness ?? 1
    }
  },
  'rounds come to nothing': ({ swarm, dice, sabotaged }) => {
    const peer = dice.pick(running(swarm))
    if (peer === undefined) return null
    sabotaged.set(peer.name, dice.pick(['engine-fails', 'not-finite', 'wrong-norm']))
    return () => sabotaged.delete(peer.name)
  },
  'a peer lies': ({ swarm, dice, liars }) => {
    const peer = dice.pick(running(swarm).filter((mere) => isMereWorker(swarm, mere)))
    if (peer === undefined) return null
    liars.add(peer.name)
    return () => liars.delete(peer.name)
  },
  "a bit flips in a follower's memory": (weather) => {
    const { swarm, dice } = weather
    const leader = leaderOf(swarm)
    return corrupted(
      weather,
      dice.pick(running(swarm).filter((peer) => peer !== leader && votes(swarm, peer))),
    )
  },
  "a bit flips in the leader's memory": (weather) => corrupted(weather, leaderOf(weather.swarm)),
} satisfies Record<string, Fault>

export type FaultKind = keyof typeof kinds
export const faultKinds = Object.keys(kinds) as readonly FaultKind[]

/** Lets something go wrong. Null if it cannot now; else how to undo it. */
export function inject(kind: FaultKind, weather: Weather): Undo | null {
  const fault: Fault = kinds[kind]
  return fault(weather)
}

const running = (swarm: SimulatedSwarm): SimulatedPeer[] =>
  [...swarm.peers.values()].filter((peer) => peer.running && !peer.isPaused)

const othersThan = (swarm: SimulatedSwarm, peer: SimulatedPeer): SimulatedPeer[] =>
  [...swarm.peers.values()].filter((other) => other !== peer)

function leaderOf(swarm: SimulatedSwarm): SimulatedPeer | undefined {
  const name = swarm.leader()
  const peer = name === null ? undefined : swarm.peers.get(name)
  return peer?.isPaused === false ? peer : undefined
}

/** Voters, and those who may become voters, do not lie: the run counts on that. */
export const isMereWorker = ({ promises }: SimulatedSwarm, { id, memory }: SimulatedPeer): boolean =>
  memory !== null &&
  memory.state.replica === null &&
  memory.state.joined &&
  promises.ledger.members[id]?.replica === false

const votes = (swarm: SimulatedSwarm, { id }: SimulatedPeer): boolean =>
  swarm.promises.ledger.configuration.voters.includes(id)

function crashed(swarm: SimulatedSwarm, peer: SimulatedPeer | undefined): Undo | null {
  if (peer === undefined) return null
  const { name, memory } = peer
  swarm.crash(name)
  return () => {
    if (peer.memory === null || peer.memory === memory) swarm.start(name)
  }
}

/** Between making entries durable and telling anyone: what was proposed is on its disk alone. */
function crashedInTheAct(swarm: SimulatedSwarm): Undo | null {
  const peer = leaderOf(swarm)
  const lead = peer?.memory?.state.lead
  if (peer === undefined || lead == null) return null
  const { index } = lead.head
  const before = swarm.clock.now
  swarm.runUntil(() => (peer.memory?.state.lead?.head.index ?? 0) > index, before + 2_000)
  return peer.running ? crashed(swarm, peer) : () => {}
}

function wiped(swarm: SimulatedSwarm, dice: Dice): Undo | null {
  const peer = dice.pick(running(swarm).filter(({ id }) => canBeLost(swarm, id)))
  const undo = crashed(swarm, peer)
  if (peer !== undefined && undo !== null) swarm.wipe(peer.name)
  return undo
}

/** Whether a majority of every set of voters that anybody counts on is there without it. */
function canBeLost({ promises, peers }: SimulatedSwarm, lost: PeerId): boolean {
  const there = [...peers.values()].flatMap(({ id, running: runs }) => (runs && id !== lost ? [id] : []))
  const believed = [...peers.values()].map(({ disk, memory }): Configuration => {
    const { ledger } = disk.snapshots.at(-1) ?? promises
    return memory?.state.replica?.configuration ?? configurationOf(disk.log, ledger)
  })
  return [promises.ledger.configuration, ...believed].every((configuration) =>
    isMajority(configuration, there),
  )
}

function paused(swarm: SimulatedSwarm, peer: SimulatedPeer | undefined): Undo | null {
  if (peer === undefined) return null
  swarm.pause(peer.name)
  return () => swarm.goOn(peer.name)
}

function stopped(swarm: SimulatedSwarm, peer: SimulatedPeer | undefined): Undo | null {
  if (peer === undefined) return null
  const { memory } = peer
  swarm.stop(peer.name)
  return () => {
    if (peer.memory === memory) swarm.start(peer.name)
  }
}

function cutOff(swarm: SimulatedSwarm, peer: SimulatedPeer | undefined): Undo | null {
  if (peer === undefined) return null
  swarm.cut(peer.name)
  return () => swarm.mend(peer.name)
}

type Direction = readonly [SimulatedPeer, SimulatedPeer]

const pairs = (from: readonly SimulatedPeer[], to: readonly SimulatedPeer[]): Direction[] =>
  from.flatMap((a) => to.map((b) => [a, b] as const))

function blocked({ network }: SimulatedSwarm, directions: readonly Direction[]): Undo | null {
  if (directions.length === 0) return null
  for (const [from, to] of directions) network.block(from, to)
  return () => {
    for (const [from, to] of directions) network.unblock(from, to)
  }
}

/** Only where all voters are there, and find it out undisturbed: then every flipped bit has to be gone soon. */
function corrupted({ swarm, isCalm }: Weather, peer: SimulatedPeer | undefined): Undo | null {
  const { voters, next } = swarm.promises.ledger.configuration
  const there = running(swarm).filter((voter) => voters.includes(voter.id) && isSound(swarm, voter))
  if (peer === undefined || next !== null || voters.length < 3 || there.length < voters.length) return null
  if (!there.includes(peer) || !isCalm()) return null
  // An outer step under way has read its state already.
  swarm.runUntil(() => peer.memory?.state.replica?.busy !== true, swarm.clock.now + 1_000)
  if (!peer.running) return null
  swarm.corrupt(peer.name)
  swarm.runUntil(() => swarm.promises.sick.length === 0, swarm.clock.now + mostToHealMs)
  const { sick } = swarm.promises
  if (sick.length > 0) throw new BrokenPromise(`${sick.join(' and ')} still hold a flipped bit`)
  return () => {}
}

/** Its vectors are its own work, and of the newest versions: a snapshot would be the word of its donor. */
function isSound({ promises }: SimulatedSwarm, { memory }: SimulatedPeer): boolean {
  const replica = memory?.state.replica
  if (replica == null || replica.healing !== null || memory?.state.installing === true) return false
  return replica.applied >= promises.ledger.version - 1
}
