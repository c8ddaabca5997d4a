// Carries out what the core decides: every outward effect, by the adapter whose business it is.
import type { EffectOf } from '../core/events.js'
import type { PeerId, Version } from '../core/ids.js'
import type { Message } from '../core/messages.js'
import type { Report } from '../core/reports.js'
import { type BulkName, NobodyListens } from '../ports/mesh.js'
import type { Trainer } from '../ports/trainer.js'
import { bytesUnder } from '../store/safetensors.js'
import type { Account } from './account.js'
import type { Contributions } from './contributions.js'
import type { Dispatch, OutwardEffect } from './driver.js'
import type { CorpusCopy } from './fetched-corpus.js'
import type { OuterStates } from './outer-states.js'
import { vectorBytes } from './payload-check.js'
import { reasonOf } from './reason.js'
import type { ReplicaDuties } from './replica-duties.js'
import type { Rounds } from './rounds.js'
import { copiedBytes } from './slices.js'
import type { SwarmMesh } from './swarm-mesh.js'

/** What is done with a worker's rounds. */
export type Work = Pick<Rounds, 'train' | 'abort' | 'payload' | 'held' | 'forget'>

/** What the executor needs beside the adapters. */
export interface ExecutorParts {
  readonly mesh: SwarmMesh
  readonly states: OuterStates
  readonly contributions: Contributions
  readonly rounds: Work
  readonly duties: ReplicaDuties
  /** Of the model. */
  readonly parameters: number
  /** In which contributions are sent; 1 where everything is sent at once. */
  readonly fragments: number
  readonly account: Account
  readonly checkpoint: (version: Version, theta: Float32Array, loss: number | null) => Promise<void>
  /** The engine that validates, started when first needed: training goes on beside it. */
  readonly evaluator: () => Promise<Trainer>
  readonly validationBatches: number
  /** What this peer trains on, for those who lack it. */
  readonly corpus: Pick<CorpusCopy, 'bytes'>
  /** Keeps a peer, or those who came in by an invitation, away from this one. */
  readonly shutOut: (who: PeerId) => void
  readonly report: (report: Report) => void
  readonly dispatch: Dispatch
}

export class Executor {
  /** Whether this peer is a replica: it then takes in its own contributions too. */
  #followsGradients = false

  constructor(private readonly parts: ExecutorParts) {}

  readonly carryOut = (effect: OutwardEffect): void => {
    const { mesh, rounds, duties, report } = this.parts
    switch (effect.type) {
      case 'send':
        return this.send(effect.to, effect.message)
      case 'publish':
        return mesh.publish(effect.topic, effect.message)
      case 'subscribe':
        if (effect.topic.kind === 'gradients') this.#followsGradients = true
        return mesh.subscribe(effect.topic)
      case 'place':
        return mesh.place(effect.peer, effect.cluster)
      case 'shut-out':
        return this.parts.shutOut(effect.who)
      case 'call':
        return mesh.call(effect.peer, effect.addresses)
      case 'persist':
        return duties.persist(effect)
      case 'compact':
        return duties.compact(effect)
      case 'forget-replica':
        return duties.forgetReplica()
      case 'hold-payload':
        return duties.holdPayload(effect)
      case 'drop-payloads':
        return duties.dropPayloads(effect)
      case 'apply-outer':
        return duties.applyOuter(effect)
      case 'save-snapshot':
        return duties.saveSnapshot(effect)
      case 'fetch-snapshot':
        return duties.fetchSnapshot(effect)
      case 'fetch-theta':
        return this.#fetchTheta(effect)
      case 'pull-contribution':
        return this.#pull(effect)
      case 'train':
        return this.#train(effect)
      case 'abort-training':
        return rounds.abort()
      case 'make-report':
        return duties.makeReport(effect)
      case 'publish-contribution':
        return this.#publishContribution(effect)
      case 'forget-contribution':
        return rounds.forget(effect.assignment, effect.outcome)
      case 'validate':
        return this.#validate(effect)
      case 'checkpoint':
        return this.#checkpoint(effect)
      case 'say-farewell':
        return this.#sayFarewell(effect.to)
      case 'report':
        return report(effect.report)
      default:
        effect satisfies never
    }
  }

  /** To another peer, or to this one itself. */
  readonly send = (to: PeerId, message: Message): void => {
    const { mesh, dispatch } = this.parts
    if (to === mesh.self) dispatch({ type: 'message', from: to, message })
    else mesh.send(to, message)
  }

  /** What this peer can give to others. */
  readonly serve = async (name: BulkName): Promise<Uint8Array | null> => {
    const { states, contributions, rounds, duties } = this.parts
    switch (name.kind) {
      case 'theta': {
        const theta = states.theta(name.version)
        return theta === undefined ? null : bytesUnder(theta)
      }
      case 'snapshot':
        return duties.encodedSnapshot(name.version)
      case 'payload':
        return rounds.held(name.hash) ?? contributions.held(name.hash)
      case 'corpus':
        return this.parts.corpus.bytes()
    }
  }

  #fetchTheta({ version, digest, donors }: EffectOf<'fetch-theta'>): void {
    const { mesh, states, dispatch, parameters, fragments } = this.parts
    if (states.theta(version) !== undefined) return dispatch({ type: 'theta-ready', version })
    const atMost = vectorBytes({ parameters })
    // Where each version changes one fragment, most of it is here.
    const before = fragments === 1 ? undefined : states.newestTheta()
    const like = before === undefined ? {} : { like: bytesUnder(before) }
    mesh
      .fetch({ kind: 'theta', version }, donors, digest, { atMost, ...like })
      .then(async (bytes) => {
        // Bytes may begin anywhere in their buffer; values begin at multiples of four.
        states.holdTheta(version, new Float32Array((await copiedBytes(bytes)).buffer))
        dispatch({ type: 'theta-ready', version })
      })
      .catch((error) => dispatch({ type: 'theta-failed', version, reason: reasonOf(error) }))
  }

  #pull({ from, manifest }: EffectOf<'pull-contribution'>): void {
    const { contributions, rounds } = this.parts
    const own = rounds.payload(manifest)
    if (own !== null) void contributions.arrived(from, manifest, own)
    else contributions.pull(from, manifest)
  }

  #train({ assignment, base, without, codec }: EffectOf<'train'>): void {
    const { states, rounds, dispatch } = this.parts
    const theta = states.theta(base)
    if (theta !== undefined) return rounds.train({ ...assignment, base }, theta, without, codec)
    const reason = `version ${base} is not held here any more`
    dispatch({ type: 'training-failed', assignment: assignment.id, reason })
  }

  #publishContribution({ topic, manifest }: EffectOf<'publish-contribution'>): void {
    const { mesh, contributions, rounds, report, dispatch } = this.parts
    const payload = rounds.payload(manifest)
    if (payload === null) return
    contributions.offer(manifest, payload)
    // Both at once: replicas that hear of the leader's entry before the bytes would pull them a second time.
    if (this.#followsGradients) void contributions.arrived(mesh.self, manifest, payload)
    mesh
      .publishContribution(topic, manifest, payload)
      .catch((error: Error) => {
        // A lone leader has nobody to tell; a worker whose leader does not listen offers again directly.
        if (error instanceof NobodyListens) return
        const message = `The contribution did not go out by gossip (${error.message}); it can be pulled.`
        report({ type: 'warning', message })
      })
      .finally(() => dispatch({ type: 'contribution-published', assignment: manifest.assignment }))
  }

  #validate({ version }: EffectOf<'validate'>): void {
    const { states, evaluator, validationBatches, dispatch } = this.parts
    const theta = states.theta(version)
    const evaluate = async () => {
      if (theta === undefined) throw new Error('it is not held here any more')
      const { loss } = await (await evaluator()).evaluate(theta, validationBatches)
      if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss}`)
      dispatch({ type: 'validated', version, loss })
    }
    evaluate().catch((error) => dispatch({ type: 'validation-failed', version, reason: reasonOf(error) }))
  }

  #checkpoint({ version, loss }: EffectOf<'checkpoint'>): void {
    const { states, checkpoint, report } = this.parts
    const theta = states.theta(version)
    if (theta === undefined)
      return report({ type: 'warning', message: `Version ${version} is not held any more; no checkpoint.` })
    checkpoint(version, theta, loss).catch((error: Error) =>
      report({ type: 'warning', message: `No checkpoint: ${error.message}` }),
    )
  }

  #sayFarewell(to: PeerId): void {
    const { mesh, account } = this.parts
    account.finish()
    this.send(to, account.farewell(mesh.traffic()))
  }
}
