// A peer that is in its run: the core's driver with all its adapters, from the first event to the last byte saved.
import type { Index } from '../core/ids.js'
import type { HeldState } from '../core/state.js'
import { UserError } from '../core/user-error.js'
import { engineBeside } from '../engine/names.js'
import { openTrainer } from '../engine/thread-trainer.js'
import { layoutOf } from '../model/parameters.js'
import type { Snapshot } from '../outer/snapshot.js'
import { sha256 } from '../platform/sha256.js'
import type { Mesh } from '../ports/mesh.js'
import type { Trainer } from '../ports/trainer.js'
import { saveCheckpoint } from '../store/checkpoints.js'
import { saveSnapshot } from '../store/snapshot.js'
import type { WorkerRecord } from '../store/worker-record.js'
import { type Genesis, runIdOf } from '../swarmfile/genesis.js'
import { Account } from './account.js'
import { Contributions } from './contributions.js'
import type { Dataset } from './dataset.js'
import { Driver, type Ending } from './driver.js'
import { Executor } from './executor.js'
import type { Inbox } from './inbox.js'
import type { PeerOptions, PeerOutcome } from './options.js'
import { OuterStates } from './outer-states.js'
import { entryBytes, type OpenedLedger, type PeerDisk } from './peer-disk.js'
import type { Reporter } from './reporter.js'
import { beginVoter, restoreVoter } from './restore.js'
import { Rounds } from './rounds.js'
import { peerSetup, type RunFigures, runFigures, trainerSetup } from './setup.js'
import { initialParameters } from './warm-start.js'

export interface NodeParts {
  readonly options: PeerOptions
  readonly disk: PeerDisk
  readonly mesh: Mesh
  readonly inbox: Inbox
  readonly reporter: Reporter
  readonly genesis: Genesis
  readonly dataset: Dataset
}

/** How often a peer says what it does, for live views. */
const statusMs = 1_000
/** The sample at a run's end: long enough to judge, short enough not to wait for. */
const sample = { promptTokens: 24, tokens: 160, temperature: 0.8 } as const

const now = () => performance.now()

export class PeerNode {
  readonly #account = new Account(now)
  readonly #figures: RunFigures
  readonly #states: OuterStates
  #trainer: Trainer | null = null
  #evaluator: Promise<Trainer> | null = null
  #ledger: OpenedLedger | null = null
  /** Of the newest snapshot that this process made durable. */
  #snapshotIndex: Index | null = null
  #driver: Driver | null = null
  #status: NodeJS.Timeout | undefined
  #fail: (error: unknown) => void = () => {}
  readonly #broken = new Promise<never>((_, reject) => {
    this.#fail = reject
  })

  private constructor(private readonly parts: NodeParts) {
    this.#figures = runFigures(parts.genesis, parts.dataset)
    this.#states = new OuterStates(parts.genesis.run.outer)
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
      await this.#saveState()
      if (ending.outcome === 'finished') await orStopped(this.#writeSample(), stop)
      this.parts.reporter.report(this.#account.report(this.parts.mesh.traffic()))
      return outcomeOf(ending)
    } finally {
      stop.removeEventListener('abort', requestStop)
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#status)
    this.#driver?.close()
    await this.#trainer?.close()
    const evaluator = await this.#evaluator?.catch(() => null)
    await evaluator?.close()
  }

  async #start(stop: AbortSignal): Promise<void> {
    const { options, disk, reporter, genesis, mesh, dataset } = this.parts
    const setup = trainerSetup(genesis, dataset, this.#figures, options)
    const trainer = await openTrainer(setup, (message) => reporter.warn(message))
    this.#trainer = trainer
    stop.throwIfAborted()
    const { parameters, name: engine, reason, threads, memory } = trainer.info
    const run = runIdOf(genesis, sha256)
    const { name, run: config } = genesis
    reporter.report({ type: 'run-started', run, name, config, parameters, resumed: options.resume })
    const record = options.resume ? await disk.workerRecord() : null
    if (record !== null) await trainer.restore(record.inner)
    const speed = await trainer.rehearse(await trainer.initial())
    stop.throwIfAborted()
    reporter.report({ type: 'engine', engine, reason, threads, stepsPerSecond: speed, memory })
    const held = genesis.founder === mesh.self ? await this.#openLedger(trainer) : null
    this.#takeUp(trainer, held, record, speed)
    this.#status = setInterval(() => this.#reportStatus(), statusMs)
  }

  /** A voter's outer state: what its disk kept, or the beginning of the run, made durable before anything else. */
  async #openLedger(trainer: Trainer): Promise<HeldState> {
    const { options, disk, reporter } = this.parts
    this.#ledger = await disk.ledger((message) => reporter.warn(message))
    const { payloads, entries } = this.#ledger
    const { snapshots } = disk.paths
    const restored = await restoreVoter({ snapshots, payloads, entries }, this.#states, (text) =>
      reporter.warn(text),
    )
    if (restored !== null) return restored
    const theta = await initialParameters(options.swarm?.run.warmStart, this.#figures.model, trainer)
    const begun = beginVoter(this.#states, theta, this.#figures.shardSizes)
    await this.#saveSnapshot(this.#states.get(0))
    return begun
  }

  #takeUp(trainer: Trainer, held: HeldState | null, record: WorkerRecord | null, speed: number): void {
    const { options, disk, mesh, inbox, reporter, genesis } = this.parts
    const fail = this.#fail
    const dispatch: Driver['dispatch'] = (event) => driver.dispatch(event)
    const payloads = this.#ledger?.payloads ?? null
    const contributions = new Contributions(mesh, trainer.info.parameters, payloads, dispatch, fail)
    const rounds = new Rounds(trainer, disk.workerRecords, this.#account, dispatch, fail)
    const executor = new Executor({
      mesh,
      states: this.#states,
      contributions,
      rounds,
      account: this.#account,
      append: (entries) =>
        this.#ledger?.journal.append(entries.map(entryBytes)) ?? Promise.reject(notAVoter()),
      checkpoint: (version, loss) => this.#checkpoint(version, loss),
      evaluator: () => this.#openEvaluator(),
      validationBatches: genesis.run.validation.batches,
      report: reporter.report,
      dispatch,
      fail,
    })
    const carryOut: Executor['carryOut'] = (effect) => {
      if (driver.state.finishing !== null) this.#account.finish()
      executor.carryOut(effect)
    }
    const setup = peerSetup(genesis, this.#figures, options, mesh.self, held)
    const driver = new Driver(setup, carryOut, now)
    this.#driver = driver
    mesh.serve(executor.serve)
    if (record?.contribution != null)
      rounds.restore(record.contribution.manifest, record.contribution.payload)
    dispatch({ type: 'started', speed, holding: record?.contribution?.manifest ?? null })
    inbox.open({ dispatch, contributions })
  }

  /** An engine of its own for validation and samples, so that training goes on meanwhile. */
  #openEvaluator(): Promise<Trainer> {
    const { genesis, dataset, options, reporter } = this.parts
    const setup = trainerSetup(genesis, dataset, this.#figures, options)
    const own = engineBeside(this.#trainer?.info.name ?? options.engine, options.device)
    this.#evaluator ??= openTrainer({ ...setup, ...own, slowdown: 1 }, (message) => reporter.warn(message))
    return this.#evaluator
  }

  async #checkpoint(snapshot: Snapshot, loss: number | null): Promise<void> {
    const { disk, genesis, reporter } = this.parts
    const { version } = snapshot.ledger
    const metadata = {
      run: runIdOf(genesis, sha256),
      version,
      model: { ...genesis.run.model, vocabulary: this.#figures.model.vocabulary },
      tokenizer: genesis.run.data.tokenizer,
      loss,
    }
    const { keep } = genesis.run.checkpoints
    const layout = layoutOf(this.#figures.model)
    const path = await saveCheckpoint(disk.run.checkpoints, snapshot.outer.theta, layout, metadata, keep)
    reporter.report({ type: 'checkpoint', version, path })
    await this.#saveSnapshot(snapshot)
  }

  /** A voter's snapshot. Payloads stay until the one before covers them too: it stands in if this one is damaged. */
  async #saveSnapshot(snapshot: Snapshot | undefined): Promise<void> {
    const ledger = this.#ledger
    if (ledger === null || snapshot === undefined) return
    const before = this.#snapshotIndex
    const { index } = snapshot.ledger
    if (before === index) return
    await saveSnapshot(this.parts.disk.paths.snapshots, snapshot)
    this.#snapshotIndex = index
    if (before === null) return
    const log = this.#driver?.state.replica?.log ?? []
    const covered = new Set<string>()
    for (const entry of log) if (entry.kind === 'apply' && entry.index <= before) covered.add(entry.payload)
    for (const hash of await ledger.payloads.list()) if (covered.has(hash)) await ledger.payloads.delete(hash)
  }

  async #saveState(): Promise<void> {
    const applied = this.#driver?.state.replica?.applied
    if (applied !== undefined) await this.#saveSnapshot(this.#states.get(applied))
  }

  /** What the trained model makes of the first words of the held-out part; the leader shows it. */
  async #writeSample(): Promise<void> {
    const { dataset, reporter, genesis } = this.parts
    const { tokenizer } = dataset
    const replica = this.#driver?.state.replica
    const held = replica == null ? undefined : this.#states.get(replica.applied)
    if (this.#ledger === null || held === undefined) return
    const prompt = Array.from(dataset.tokens.heldOut.subarray(0, sample.promptTokens))
    const evaluator = await this.#openEvaluator()
    const { tokens, temperature } = sample
    const generated = await evaluator.generate(
      held.outer.theta,
      prompt,
      tokens,
      temperature,
      genesis.run.seed,
    )
    const { version } = held.ledger
    reporter.report({
      type: 'sample',
      version,
      prompt: tokenizer.decode(prompt),
      text: tokenizer.decode(generated),
    })
  }

  #reportStatus(): void {
    const state = this.#driver?.state
    if (state === undefined) return
    const { now: work, speed } = state.worker
    const { sent, received } = this.parts.mesh.traffic()
    this.parts.reporter.report({
      type: 'status',
      phase: work.phase,
      version: state.replica?.applied ?? 0,
      step: work.phase === 'training' ? work.step : 0,
      steps: work.phase === 'training' || work.phase === 'fetching' ? work.assignment.steps : 0,
      speed,
      bytesSent: total(sent),
      bytesReceived: total(received),
    })
  }
}

const total = (byPurpose: Readonly<Record<string, number>>): number =>
  Object.values(byPurpose).reduce((sum, bytes) => sum + bytes, 0)

const notAVoter = (): Error => new Error('Only a voter appends to the ledger.')

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
        'change what it names, and join again',
      )
  }
}
