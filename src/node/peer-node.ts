// A peer that is in its run: the core's driver with all its adapters, from the first event to the last byte saved.
import type { PeerId, Version } from '../core/ids.js'
import type { Report } from '../core/reports.js'
import type { HeldState, PeerState } from '../core/state.js'
import { UserError } from '../core/user-error.js'
import { openTrainer } from '../engine/thread-trainer.js'
import { layoutOf } from '../model/parameters.js'
import type { Trainer } from '../ports/trainer.js'
import { saveCheckpoint } from '../store/checkpoints.js'
import type { WorkerRecord } from '../store/worker-record.js'
import { Above } from './above.js'
import { Account } from './account.js'
import { Acquaintances } from './acquaintances.js'
import type { Ending, OutwardEffect } from './driver.js'
import { Evaluation } from './evaluation.js'
import { CorpusCopy } from './fetched-corpus.js'
import { type KnownLeader, keepGenesis } from './founding.js'
import type { Inbox } from './inbox.js'
import type { Membership } from './membership.js'
import type { PeerOutcome } from './options.js'
import { OwnAddresses } from './own-addresses.js'
import { OwnStates, type OwnStatesParts } from './own-states.js'
import { Rounds } from './rounds.js'
import {
  clusterSetup,
  holderSetup,
  ownAddresses,
  peerSetup,
  type RunFigures,
  runFigures,
  trainerSetup,
  voiceSetup,
} from './setup.js'
import { serveFrom, stageOf } from './stages.js'
import { clusterMesh } from './swarm-mesh.js'
import { SwarmPeer } from './swarm-peer.js'
import { Watch } from './watch.js'

export interface NodeParts extends OwnStatesParts {
  readonly inbox: Inbox
  /** Null in a run that is open to everyone. */
  readonly membership: Membership | null
}

/** What a peer begins with: a replica its disk kept, a worker its rounds. */
interface Kept {
  readonly held: HeldState | null
  readonly record: WorkerRecord | null
  readonly speed: number
  /** There is a log of the swarm above, too. */
  readonly heldAbove: boolean
}

const now = () => performance.now()

export class PeerNode {
  readonly #account = new Account(now)
  readonly #figures: RunFigures
  readonly #ownStates: OwnStates
  #trainer: Trainer | null = null
  #evaluation: Evaluation | null = null
  #peer: SwarmPeer | null = null
  /** This peer's part in the swarm above its cluster; null in a flat run. */
  #above: Above | null = null
  #watch: Watch | null = null
  #acquaintances: Acquaintances | null = null
  #keepsGenesis: boolean
  #fail: (error: unknown) => void = () => {}
  readonly #broken = new Promise<never>((_, reject) => {
    this.#fail = reject
  })

  private constructor(private readonly parts: NodeParts) {
    const { inForce, dataset, founds, isKept } = parts.entered
    this.#figures = runFigures(inForce, dataset)
    this.#ownStates = new OwnStates(parts, this.#figures)
    this.#keepsGenesis = isKept || founds
    this.#broken.catch(() => {})
  }

  /** Starts the engine, takes up what the disk kept, and hands the network over to the core. @throws AbortError when stopped meanwhile */
  static async start(parts: NodeParts, stop: AbortSignal): Promise<PeerNode> {
    const node = new PeerNode(parts)
    try {
      await node.#start(stop)
      return node
    } catch (error) {
      await node.close()
      throw error
    }
  }

  /** Runs to the end of the run, or until asked to stop. @throws UserError when this peer cannot go on */
  async run(stop: AbortSignal): Promise<PeerOutcome> {
    const driver = this.#peer?.driver
    if (driver === undefined) throw new Error('The peer was not started.')
    const requestStop = () => {
      this.#above?.requestStop()
      driver.dispatch({ type: 'stop-requested' })
    }
    if (stop.aborted) requestStop()
    stop.addEventListener('abort', requestStop)
    try {
      const ending = await Promise.race([driver.ended, this.#broken])
      this.#account.finish()
      await this.#ownStates.save(driver.state)
      const above = await Promise.race([this.#above?.ended() ?? null, this.#broken])
      if (ending.outcome === 'finished') await orStopped(this.#writeSample(above ?? driver.state), stop)
      this.parts.reporter.report(this.#account.report(this.parts.mesh.traffic()))
      return outcomeOf(ending)
    } finally {
      stop.removeEventListener('abort', requestStop)
    }
  }

  /** Who leads, as far as this peer knows. */
  leader(): KnownLeader {
    const { mesh } = this.parts
    const { leader = null, replica, replicas } = this.#above?.state ?? this.#peer?.driver.state ?? {}
    if (leader === null) return { leader, leaderAddresses: [] }
    const told = replicas?.find(({ peer }) => peer === leader)?.addresses
    const addresses = leader === mesh.self ? ownAddresses(mesh) : replica?.ledger.members[leader]?.addresses
    return { leader, leaderAddresses: addresses ?? told ?? [] }
  }

  async close(): Promise<void> {
    this.#watch?.close()
    this.#acquaintances?.close()
    await this.#above?.close()
    await this.#ownStates.closeAbove()
    this.#peer?.driver.close()
    await this.#trainer?.close()
    await this.#evaluation?.close()
    await this.#ownStates.close()
  }

  async #start(stop: AbortSignal): Promise<void> {
    const { options, disk, reporter, entered } = this.parts
    const { inForce, dataset, run } = entered
    const setup = trainerSetup(inForce, dataset, this.#figures, options)
    const trainer = await openTrainer(setup, (message) => reporter.warn(message))
    this.#trainer = trainer
    stop.throwIfAborted()
    const { parameters, name: engine, reason, threads, memory } = trainer.info
    this.#evaluation = new Evaluation(setup, engine, dataset, reporter.report)
    const { name, run: config } = inForce
    const { cluster } = entered
    reporter.report({
      type: 'run-started',
      run,
      name,
      cluster,
      config,
      parameters,
      resumed: options.resume,
    })
    const record = options.resume ? await disk.workerRecord() : null
    if (record !== null) await trainer.restore(record.inner)
    const speed = await trainer.rehearse(await trainer.initial())
    stop.throwIfAborted()
    reporter.report({ type: 'engine', engine, reason, threads, stepsPerSecond: speed, memory })
    const held = await this.#ownStates.begin(trainer)
    const heldAbove = (await disk.owner(disk.paths.above)) !== null
    this.#takeUp(trainer, this.#evaluation, { held, record, speed, heldAbove })
  }

  #takeUp(trainer: Trainer, evaluation: Evaluation, { held, record, speed, heldAbove }: Kept): void {
    const { options, disk, mesh, inbox, reporter, identity, entered, membership } = this.parts
    const { inForce, run } = entered
    const { hierarchy } = inForce.run
    const fail = this.#fail
    const own = { id: mesh.self, cluster: entered.cluster, addresses: ownAddresses(mesh) }
    const setup = peerSetup(inForce, this.#figures, options, own, held)
    const { cluster } = setup.self
    const report = (swarm: string | null) => {
      const write = swarm === null ? reporter.report : reporter.of(swarm)
      const isAbove = swarm === null && hierarchy !== undefined
      return (record: Report) => {
        watch.heard(record, isAbove)
        write(record)
      }
    }
    const common = {
      account: this.#account,
      evaluation,
      corpus: new CorpusCopy(entered.dataset.tokens),
      shutOut: (who: PeerId) => {
        membership?.revoke(who)
        mesh.reconsider()
      },
      before: (_: OutwardEffect, { finishing, joined }: PeerState) => {
        if (finishing !== null) this.#account.finish()
        if (joined) this.#keepGenesisOnce()
      },
      fail,
    }
    const peer: SwarmPeer = new SwarmPeer({
      ...common,
      setup: hierarchy === undefined ? setup : clusterSetup(setup),
      mesh: hierarchy === undefined ? mesh : clusterMesh(mesh, cluster),
      disk: identity.replica,
      snapshots: this.#ownStates.snapshots,
      states: this.#ownStates.states,
      work: (dispatch) => {
        const rounds = new Rounds(trainer, disk.workerRecords, inForce.run, this.#account, dispatch, fail)
        if (record !== null) rounds.restore(record)
        return rounds
      },
      // What counts of a hierarchical run is the model above.
      checkpoint: (...checkpoint) =>
        hierarchy === undefined ? this.#checkpoint(...checkpoint) : Promise.resolve(),
      report: report(hierarchy === undefined ? null : cluster),
      stepped: (before, after) => this.#above?.follow(before, after),
    })
    this.#peer = peer
    const { driver } = peer
    const moved = (addresses: readonly string[]) => {
      driver.dispatch({ type: 'moved', addresses })
      this.#above?.moved(addresses)
    }
    const addresses = new OwnAddresses(own.addresses, () => ownAddresses(mesh), moved)
    // Above first: what it knows of other clusters nobody else tells.
    const states = () => [this.#above?.state ?? [], driver.state].flat()
    const watch = new Watch({
      paths: disk.paths,
      run,
      state: () => driver.state,
      states,
      above: (leads) => this.#above?.status(leads) ?? null,
      traffic: () => mesh.traffic(),
      reached: () => mesh.paths(),
      report: reporter.report,
      look: () => addresses.look(),
      order: ({ shutOut: who, reason }) => {
        // What is shut out above comes back as what the own cluster shuts out: told of that, the user knows of both.
        if (this.#above?.requestShutOut(who, reason) === true) return
        driver.dispatch({ type: 'shut-out-requested', who, reason })
      },
    })
    this.#watch = watch
    this.#acquaintances = new Acquaintances(mesh, states)
    mesh.tellStatus(() => watch.status())
    if (hierarchy !== undefined) {
      this.#above = new Above({
        mesh,
        holderSetup: (held) => holderSetup({ ...setup, held }, hierarchy),
        voiceSetup: () => voiceSetup(setup, hierarchy),
        open: () => this.#ownStates.openAbove(null),
        holder: {
          ...common,
          checkpoint: (...checkpoint) => this.#checkpoint(...checkpoint),
          report: report(null),
        },
        cluster: {
          dispatch: driver.dispatch,
          state: () => driver.state,
          contributions: () => peer.contributions,
        },
        warn: (message) => reporter.warn(message),
      })
    }
    const stages = { above: this.#above, peer, swarm: hierarchy === undefined ? null : cluster }
    mesh.serve((name) => serveFrom(stages, name))
    const holding = record?.contributions ?? []
    // Whoever voted above votes there again, also where it is none of its cluster's voters any more.
    if (entered.founds || heldAbove) void this.#above?.stand()
    driver.dispatch({ type: 'started', speed, holding: holding.map(({ manifest }) => manifest) })
    inbox.open(stageOf(stages))
  }

  /** Whoever was taken in can come back by it without the others' help. */
  #keepGenesisOnce(): void {
    if (this.#keepsGenesis) return
    this.#keepsGenesis = true
    const { disk, entered } = this.parts
    keepGenesis(disk.run.genesis, entered.genesis).catch(this.#fail)
  }

  async #checkpoint(version: Version, theta: Float32Array, loss: number | null): Promise<void> {
    const { disk, entered, reporter } = this.parts
    const { inForce, run } = entered
    const metadata = {
      run,
      version,
      model: { ...inForce.run.model, vocabulary: this.#figures.model.vocabulary },
      tokenizer: inForce.run.data.tokenizer,
      loss,
    }
    const { keep } = inForce.run.checkpoints
    const layout = layoutOf(this.#figures.model)
    const path = await saveCheckpoint(disk.run.checkpoints, theta, layout, metadata, keep)
    reporter.report({ type: 'checkpoint', version, path })
  }

  /** Whoever leads at the end shows what the model has learned. */
  async #writeSample({ lead, replica }: PeerState): Promise<void> {
    if (lead === null || replica === null || this.#evaluation === null) return
    const theta = (this.#above ?? this.#ownStates.states).theta(replica.applied)
    const { seed } = this.parts.entered.inForce.run
    if (theta !== undefined) await this.#evaluation.writeSample(replica.applied, theta, seed)
  }
}

/** What may be left out when somebody waits for the end: closing ends the work. */
function orStopped(work: Promise<void>, stop: AbortSignal): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) resolve()
    else stop.addEventListener('abort', () => resolve(), { once: true })
  })
  return Promise.race([work, stopped])
}

function outcomeOf({ outcome, reason }: Ending): PeerOutcome {
  switch (outcome) {
    case 'finished':
      return { kind: 'finished', reason }
    case 'stopped':
      return { kind: 'stopped' }
    case 'failed':
      throw new UserError(
        'training',
        `training could not go on: ${reason}`,
        'lower run.inner.learningRate or run.outer.learningRate, or look at the events of the last rounds in events.jsonl',
      )
    case 'turned-away':
      throw new UserError(
        'refused',
        `the run does not take this peer: ${reason}`,
        'change what it names and join again; a peer that was shut out needs a ticket of a member, and a new folder (--out)',
      )
  }
}
