// A peer's part in one swarm: the core, driven, with all that carries out what it decides there.
import type { Version } from '../core/ids.js'
import type { Report } from '../core/reports.js'
import type { PeerSetup, PeerState } from '../core/state.js'
import { fragmentCount } from '../outer/fragments.js'
import { codecsOf } from '../tensor/codec.js'
import type { Account } from './account.js'
import { Contributions } from './contributions.js'
import { type Dispatch, Driver, type OutwardEffect } from './driver.js'
import type { Evaluation } from './evaluation.js'
import { Executor, type ExecutorParts, type Work } from './executor.js'
import type { OuterStates } from './outer-states.js'
import type { ReplicaDisk } from './peer-disk.js'
import { ReplicaDuties } from './replica-duties.js'
import type { SnapshotFiles } from './snapshot-files.js'
import type { SwarmMesh } from './swarm-mesh.js'

export interface SwarmPeerParts {
  readonly setup: PeerSetup
  readonly mesh: SwarmMesh
  readonly disk: ReplicaDisk
  readonly snapshots: SnapshotFiles
  readonly states: OuterStates
  /** What is done with the rounds that it gets. */
  readonly work: (dispatch: Dispatch) => Work
  readonly account: Account
  readonly evaluation: Evaluation
  readonly checkpoint: (version: Version, theta: Float32Array, loss: number | null) => Promise<void>
  readonly corpus: ExecutorParts['corpus']
  readonly shutOut: ExecutorParts['shutOut']
  readonly report: (report: Report) => void
  /** Called before each effect is carried out. */
  readonly before: (effect: OutwardEffect, state: PeerState) => void
  /** Called after every event. */
  readonly stepped: (before: PeerState, after: PeerState) => void
  /** For errors after which this peer cannot go on. */
  readonly fail: (error: unknown) => void
}

const now = () => performance.now()

export class SwarmPeer {
  readonly driver: Driver
  readonly contributions: Contributions
  readonly #executor: Executor

  constructor(parts: SwarmPeerParts) {
    const { setup, mesh, disk, snapshots, states, account, evaluation, report, fail } = parts
    const { parameters, run } = setup
    const dispatch: Dispatch = (event) => this.driver.dispatch(event)
    const format = { parameters, fragments: fragmentCount(run), codecs: codecsOf(run.compression) }
    const contributions = new Contributions(mesh, format, disk.payloads, dispatch, fail)
    const rounds = parts.work(dispatch)
    const duties = new ReplicaDuties({
      mesh,
      log: disk.log,
      snapshots,
      states,
      contributions,
      parameters,
      send: (to, message) => this.#executor.send(to, message),
      report,
      dispatch,
      fail,
    })
    this.contributions = contributions
    this.#executor = new Executor({
      mesh,
      states,
      contributions,
      rounds,
      duties,
      parameters,
      fragments: format.fragments,
      account,
      checkpoint: parts.checkpoint,
      evaluator: evaluation.engine,
      validationBatches: run.validation.batches,
      corpus: parts.corpus,
      shutOut: parts.shutOut,
      report,
      dispatch,
    })
    const carryOut = (effect: OutwardEffect): void => {
      parts.before(effect, this.driver.state)
      this.#executor.carryOut(effect)
    }
    this.driver = new Driver(setup, carryOut, now, { stepped: parts.stepped })
  }

  /** What this peer can give to others. */
  readonly serve: Executor['serve'] = (name) => this.#executor.serve(name)
}
