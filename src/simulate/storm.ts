// A storm: a whole swarm under faults, all of it drawn from one seed. Promises are checked after every event; once
// the faults stop, the run must finish.

import { BrokenPromise } from './broken-promise.js'
import { Counter, type Coverage } from './coverage.js'
import { Dice } from './dice.js'
import { faultKinds, inject, isMereWorker, type Weather } from './faults.js'
import { lie } from './lies.js'
import type { SimulatedPeer } from './peer.js'
import type { Sabotage } from './rounds.js'
import { purposes, type Scenario, scenarioOf } from './scenario.js'
import { SimulatedSwarm, type TraceLine } from './swarm.js'

export interface StormResult {
  readonly seed: number
  readonly peers: number
  readonly events: number
  readonly virtualSeconds: number
  readonly versions: number
  readonly faults: number
  readonly coverage: Coverage
  /** Which promise was broken, in words; null if none was. */
  readonly broken: string | null
}

/** The next fault comes with progress, or, where there is none, after so long, ms. */
const mostBetweenFaultsMs = 4_000
/** Until three vote, ms: from then on faults come. */
const mostGrowthMs = 12_000
/** Versions from one fault to the next. */
const mostVersionsBetween = 4
/** A storm has so many events and versions at least, and so many versions after all is well again. */
const leastEvents = 1_000
const leastVersions = 20
const versionsAfterwards = 3
/** Without faults, a run is over within this time: rounds that were lost may rest for a minute first. */
const mostAfterwardsMs = 300_000
/** No storm of this size takes so many events, unless peers keep each other busy for nothing. */
const mostEvents = 150_000

/** @param trace called with everything that happens */
export function storm(seed: number, trace: (line: TraceLine) => void = () => {}): StormResult {
  return new Storm(scenarioOf(seed), trace).run()
}

class Storm {
  readonly #swarm: SimulatedSwarm
  readonly #weather: Weather
  readonly #counter = new Counter()
  readonly #sabotaged = new Map<string, Sabotage>()
  /** What goes on just now, by what ends it. */
  readonly #undo = new Set<() => void>()
  #faults = 0
  /** A worker whose every contribution is bad. */
  #broken: string | null = null

  constructor(
    private readonly scenario: Scenario,
    trace: (line: TraceLine) => void,
  ) {
    const { seed, run, devices, network } = scenario
    const sabotage = new Dice(seed, purposes.sabotage)
    this.#swarm = new SimulatedSwarm({
      run,
      devices,
      network,
      seed,
      sabotage: (peer) => {
        if (peer === this.#broken) return 'not-finite'
        return sabotage.chance(0.8) ? (this.#sabotaged.get(peer) ?? null) : null
      },
      trace: (line) => {
        this.#counter.see(line, () => this.#swarm.leader() !== null)
        trace(line)
      },
    })
    this.#weather = {
      swarm: this.#swarm,
      dice: new Dice(seed, purposes.faults),
      liars: new Set(),
      sabotaged: this.#sabotaged,
      isCalm: () => this.#undo.size === 0,
    }
  }

  run(): StormResult {
    let broken: string | null = null
    try {
      this.#begin()
      this.#rage()
      this.#calm()
      this.#finish()
    } catch (error) {
      broken =
        error instanceof BrokenPromise ? error.message : `${error instanceof Error ? error.stack : error}`
    }
    const { seed, devices } = this.scenario
    const { promises, events, clock } = this.#swarm
    this.#counter.entries(promises.committed)
    return {
      seed,
      peers: devices.length,
      events,
      virtualSeconds: clock.now / 1000,
      versions: promises.ledger.version,
      faults: this.#faults,
      coverage: this.#counter.counts,
      broken,
    }
  }

  #begin(): void {
    const { clock } = this.#swarm
    for (const { name } of this.scenario.devices)
      clock.after(this.scenario.comesAt.get(name) ?? 0, () => {
        if (this.#swarm.peers.get(name)?.memory === null) this.#swarm.start(name)
      })
    this.#lieSoon(new Dice(this.scenario.seed, purposes.lies))
  }

  /** Faults come with progress, so that none is spared, and without it, so that they come together too. */
  #rage(): void {
    const { faults, growsFirst } = this.scenario
    const { swarm, dice } = this.#weather
    if (growsFirst) this.#until(() => swarm.promises.ledger.configuration.voters.length > 1, mostGrowthMs)
    for (let fault = 0; fault < faults; fault++) {
      const due = swarm.promises.ledger.version + dice.whole(1, mostVersionsBetween)
      const untilMs = swarm.clock.now + mostBetweenFaultsMs
      this.#until(() => swarm.promises.ledger.version >= due, untilMs)
      this.#injectOne()
    }
    const untilMs = swarm.clock.now + mostBetweenFaultsMs
    this.#until(() => this.#undo.size === 0, untilMs)
  }

  #injectOne(): void {
    const { dice } = this.#weather
    for (;;) {
      const kind = dice.pick(faultKinds)
      if (kind === undefined) return
      const undo = inject(kind, this.#weather)
      if (undo === null) continue
      this.#faults++
      this.#counter.count('fault', kind)
      this.#undo.add(undo)
      this.#swarm.clock.after(this.#durationMs(), () => this.#end(undo))
      return
    }
  }

  /** Most are over before anyone is let go, some last longer than that. */
  #durationMs(): number {
    const { dice } = this.#weather
    return dice.chance(0.15) ? dice.between(8_000, 16_000) : dice.between(50, dice.chance(0.4) ? 600 : 5_000)
  }

  #end(undo: () => void): void {
    if (this.#undo.delete(undo)) undo()
  }

  #calm(): void {
    for (const undo of this.#undo) undo()
    this.#undo.clear()
  }

  /** All come back and are taken in; some versions later the run ends, for all of them. */
  #finish(): void {
    const swarm = this.#swarm
    const peers = [...swarm.peers.values()]
    if (this.scenario.breaksWorker)
      this.#broken = peers.find((peer) => isMereWorker(swarm, peer))?.name ?? null
    const isLong = () => swarm.events >= leastEvents && swarm.promises.ledger.version >= leastVersions
    this.#await(() => isLong() && peers.every((peer) => this.#isBack(peer)), 'not all are back and sound')
    const versions = swarm.promises.ledger.version + versionsAfterwards
    swarm.stopAt({ versions })
    this.#await(() => peers.every(({ outcome }) => outcome !== null), 'not all have ended')
    const { finished, version } = swarm.promises.ledger
    if (finished?.ok !== true)
      throw new BrokenPromise(`the run ended: ${finished?.reason ?? 'for no reason'}`)
    if (version < versions) throw new BrokenPromise(`the run ended at version ${version}, before ${versions}`)
    for (const peer of peers)
      if (peer.outcome !== 'finished' && !this.#isShutOut(peer))
        throw new BrokenPromise(`${peer.name} ended as '${peer.outcome}'`)
    swarm.promises.everyoneAgrees()
    swarm.promises.work.everyIntervalIsCovered(swarm.promises.ledger)
  }

  #isBack(peer: SimulatedPeer): boolean {
    const { memory, id, name } = peer
    if (this.#isShutOut(peer)) return true
    if (name === this.#broken) return false
    if (memory === null || !memory.state.joined) return memory?.state.lead != null
    const { replica, installing } = memory.state
    const isSound = replica === null || (replica.healing === null && replica.queue.length < 2)
    return isSound && !installing && this.#swarm.promises.ledger.members[id]?.present === true
  }

  #isShutOut({ id, outcome }: SimulatedPeer): boolean {
    return outcome === 'turned-away' && this.#swarm.promises.ledger.members[id]?.revoked != null
  }

  #await(condition: () => boolean, otherwise: string): void {
    const { clock, peers } = this.#swarm
    this.#until(condition, clock.now + mostAfterwardsMs)
    if (condition()) return
    const states = [...peers.values()].map(({ name, outcome, memory }) => {
      const at =
        memory === null ? 'down' : memory.state.lead !== null ? 'leads' : memory.state.joined ? 'in' : 'out'
      return `${name} ${outcome ?? at}`
    })
    throw new BrokenPromise(
      `${otherwise} ${mostAfterwardsMs / 1000} s after the last fault: ${states.join(', ')}`,
    )
  }

  #lieSoon(dice: Dice): void {
    const { swarm, liars } = this.#weather
    swarm.clock.after(dice.between(20, 300), () => {
      for (const liar of liars) {
        const peer = swarm.peers.get(liar)
        const victim = dice.pick([...swarm.peers.values()].filter((other) => other !== peer))
        // It may have become a replica meanwhile.
        if (peer === undefined || !peer.running || !isMereWorker(swarm, peer) || victim === undefined)
          continue
        const state = victim.memory?.state
        // Who knows nobody believes the first who answers.
        if (state === undefined || (state.replica === null && state.replicas.length === 0)) continue
        this.#counter.count('lie', lie(swarm, dice, liar, victim.name))
      }
      if (swarm.promises.ledger.finished === null) this.#lieSoon(dice)
    })
  }

  #until(condition: () => boolean, untilMs: number): void {
    const swarm = this.#swarm
    swarm.runUntil(() => condition() || swarm.events > mostEvents, untilMs)
    if (swarm.events > mostEvents) throw new BrokenPromise(`${mostEvents} events have not been enough`)
  }
}
