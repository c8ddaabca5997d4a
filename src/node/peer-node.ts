// A peer that is in its run: the core's driver with all its adapters, from the first event to the last byte saved.
import type { Version } from '../core/ids.js'
import type { Report } from '../core/reports.js'
import type { HeldState } from '../core/state.js'
import { UserError } from '../core/user-error.js'
import { openTrainer } from '../engine/thread-trainer.js'
import { layoutOf } from '../model/parameters.js'
import type { Mesh } from '../ports/mesh.js'
import type { Trainer } from '../ports/trainer.js'
import { saveCheckpoint } from '../store/checkpoints.js'
import type { WorkerRecord } from '../store/worker-record.js'
import { codecsOf } from '../tensor/codec.js'
import { Account } from './account.js'
import { Acquaintances } from './acquaintances.js'
import { Contributions } from './contributions.js'
import { Driver, type Ending } from './driver.js'
import { Evaluation } from './evaluation.js'
import { Executor } from './executor.js'
import { CorpusCopy } from './fetched-corpus.js'
import { type KnownLeader, keepGenesis } from './founding.js'
import type { Inbox } from './inbox.js'
import type { Membership } from './membership.js'
import type { PeerOptions, PeerOutcome } from './options.js'
import { OuterStates } from './outer-states.js'
import { OwnAddresses } from './own-addresses.js'
import type { Identity } from './own-identity.js'
import type { PeerDisk } from './peer-disk.js'
import { ReplicaDuties } from './replica-duties.js'
import type { Reporter } from './reporter.js'
import { beginReplica, restoreReplica } from './restore.js'
import { Rounds } from './rounds.js'
import type { Entered } from './run-entry.js'
import { ownAddresses, peerSetup, type RunFigures, runFigures, trainerSetup } from './setup.js'
import { SnapshotFiles } from './snapshot-files.js'
import { initialParameters } from './warm-start.js'
import { Watch } from './watch.js'

export interface NodeParts {
  readonly options: PeerOptions
  readonly disk: PeerDisk
  readonly identity: Identity
  readonly mesh: Mesh
  readonly inbox: Inbox
  readonly reporter: Reporter
  readonly entered: Entered
  /** Null in a run that is open to everyone. */
  readonly membership: Membership | null
}

const now = () => performance.now()

export class PeerNode {
  readonly #account = new Account(now)
  readonly #figures: RunFigures
  readonly #states: OuterStates
  readonly #snapshots: SnapshotFiles
  #trainer: Trainer | null = null
  #evaluation: Evaluation | null = null
  #driver: Driver | null = null
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
    this.#states = new OuterStates(inForce.run)
    this.#snapshots = new SnapshotFiles(parts.disk.paths.snapshots)
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
    const driver = this.#driver
    if (driver === null) throw new Error('The peer was not started.')
    const requestStop = () => driver.dispatch({ type: 'stop-requested' })
    if (stop.aborted) requestStop()
    stop.addEventListener('abort', requestStop)
    try {
      const ending = await Promise.race([driver.ended, this.#broken])
      this.#account.finish()
      await this.#saveState(driver)
      if (ending.outcome === 'finished') await orStopped(this.#writeSample(driver), stop)
      this.parts.reporter.report(this.#account.report(this.parts.mesh.traffic()))
      return outcomeOf(ending)
    } finally {
      stop.removeEventListener('abort', requestStop)
    }
  }

  /** Who leads, as far as this peer knows. */
  leader(): KnownLeader {
    const { mesh } = this.parts
    const { leader = null, replica, replicas } = this.#driver?.state ?? {}
    if (leader === null) return { leader, leaderAddresses: [] }
    const told = replicas?.find(({ peer }) => peer === leader)?.addresses
    const addresses = leader === mesh.self ? ownAddresses(mesh) : replica?.ledger.members[leader]?.addresses
    return { leader, leaderAddresses: addresses ?? told ?? [] }
  }

  async close(): Promise<void> {
    this.#watch?.close()
    this.#acquaintances?.close()
    this.#driver?.close()
    await this.#trainer?.close()
    await this.#evaluation?.close()
    await this.#snapshots.settled()
    await this.#states.close()
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
    reporter.report({ type: 'run-started', run, name, config, parameters, resumed: options.resume })
    const record = options.resume ? await disk.workerRecord() : null
    if (record !== null) await trainer.restore(record.inner)
    const speed = await trainer.rehearse(await trainer.initial())
    stop.throwIfAborted()
    reporter.report({ type: 'engine', engine, reason, threads, stepsPerSecond: speed, memory })
    this.#takeUp(trainer, this.#evaluation, await this.#held(trainer), record, speed)
  }

  /** The outer state of a replica: the beginning of the run, or what its disk kept. */
  #held(trainer: Trainer): Promise<HeldState | null> {
    const { identity, reporter, entered } = this.parts
    const { replica, snapshot } = identity
    if (entered.founds) return this.#found(trainer)
    if (snapshot === null) return Promise.resolve(null)
    return restoreReplica(replica, snapshot, this.#states, (text) => reporter.warn(text))
  }

  /** Makes the run. Its genesis is kept last: where it is, the rest is too. */
  async #found(trainer: Trainer): Promise<HeldState> {
    const { options, disk, mesh, identity, entered } = this.parts
    const theta = await initialParameters(options.swarm?.run.warmStart, this.#figures.model, trainer)
    const begun = await beginReplica(this.#states, theta, this.#figures.shardSizes, mesh.self)
    await this.#save(0)
    await identity.replica.log.persist(begun.hard, [])
    await keepGenesis(disk.run.genesis, entered.genesis)
    return begun
  }

  #takeUp(
    trainer: Trainer,
    evaluation: Evaluation,
    held: HeldState | null,
    record: WorkerRecord | null,
    speed: number,
  ): void {
    const { options, disk, mesh, inbox, reporter, identity, entered, membership } = this.parts
    const { inForce, run } = entered
    const fail = this.#fail
    const dispatch: Driver['dispatch'] = (event) => driver.dispatch(event)
    const report = (record: Report) => {
      watch.heard(record)
      reporter.report(record)
    }
    const { log, payloads } = identity.replica
    const { compression } = inForce.run
    const format = { parameters: trainer.info.parameters, codecs: codecsOf(compression) }
    const contributions = new Contributions(mesh, format, payloads, dispatch, fail)
    const rounds = new Rounds(trainer, disk.workerRecords, compression, this.#account, dispatch, fail)
    const duties = new ReplicaDuties({
      mesh,
      log,
      snapshots: this.#snapshots,
      states: this.#states,
      contributions,
      send: (to, message) => executor.send(to, message),
      report,
      dispatch,
      fail,
    })
    const executor: Executor = new Executor({
      mesh,
      states: this.#states,
      contributions,
      rounds,
      duties,
      account: this.#account,
      checkpoint: (version, theta, loss) => this.#checkpoint(version, theta, loss),
      evaluator: evaluation.engine,
      shutOut: (who) => {
        membership?.revoke(who)
        mesh.reconsider()
      },
      corpus: new CorpusCopy(entered.dataset.tokens),
      validationBatches: inForce.run.validation.batches,
      report,
      dispatch,
    })
    const carryOut: Executor['carryOut'] = (effect) => {
      if (driver.state.finishing !== null) this.#account.finish()
      if (driver.state.joined) this.#keepGenesisOnce()
      executor.carryOut(effect)
    }
    const self = { id: mesh.self, addresses: ownAddresses(mesh) }
    const setup = peerSetup(inForce, this.#figures, options, self, held)
    const driver = new Driver(setup, carryOut, now)
    this.#driver = driver
    const moved = (addresses: readonly string[]) => dispatch({ type: 'moved', addresses })
    const own = new OwnAddresses(self.addresses, () => ownAddresses(mesh), moved)
    const watch = new Watch({
      paths: disk.paths,
      run,
      state: () => driver.state,
      traffic: () => mesh.traffic(),
      reached: () => mesh.paths(),
      report: reporter.report,
      look: () => own.look(),
      order: ({ shutOut: who, reason }) => dispatch({ type: 'shut-out-requested', who, reason }),
    })
    this.#watch = watch
    this.#acquaintances = new Acquaintances(mesh, () => driver.state)
    mesh.tellStatus(() => watch.status())
    mesh.serve(executor.serve)
    const holding = record?.contributions ?? []
    if (record !== null) rounds.restore(record)
    dispatch({ type: 'started', speed, holding: holding.map(({ manifest }) => manifest) })
    inbox.open({ dispatch, contributions })
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

  async #save(version: Version): Promise<void> {
    const snapshot = await this.#states.snapshot(version)
    if (snapshot !== undefined) await this.#snapshots.save(snapshot)
  }

  /** A replica that comes back goes on from its latest version at once. */
  async #saveState({ state: { replica } }: Driver): Promise<void> {
    if (replica !== null && replica.healing === null) await this.#save(replica.applied)
  }

  /** Whoever leads at the end shows what the model has learned. */
  async #writeSample({ state: { lead, replica } }: Driver): Promise<void> {
    if (lead === null || replica === null || this.#evaluation === null) return
    const theta = this.#states.theta(replica.applied)
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
