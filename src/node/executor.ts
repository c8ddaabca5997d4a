// Carries out what the core decides: every outward effect, by the adapter whose business it is.
import type { Entry } from '../core/entries.js'
import type { PeerId, Version } from '../core/ids.js'
import type { Report } from '../core/reports.js'
import { type Snapshot, snapshotOf, VersionBroken } from '../outer/snapshot.js'
import { sha256 } from '../platform/sha256.js'
import { type BulkName, type Mesh, NobodyListens } from '../ports/mesh.js'
import type { Trainer } from '../ports/trainer.js'
import { decodeSnapshot, encodeSnapshot } from '../store/snapshot.js'
import { codecs } from '../tensor/codec.js'
import type { Account } from './account.js'
import type { Contributions } from './contributions.js'
import type { Dispatch, OutwardEffect } from './driver.js'
import type { OuterStates } from './outer-states.js'
import type { Rounds } from './rounds.js'

type Effect<Type extends OutwardEffect['type']> = Extract<OutwardEffect, { type: Type }>

/** What the executor needs beside the adapters. */
export interface ExecutorParts {
  readonly mesh: Mesh
  readonly states: OuterStates
  readonly contributions: Contributions
  readonly rounds: Rounds
  readonly account: Account
  /** Appends to the ledger's journal; resolves when durable. */
  readonly append: (entries: readonly Entry[]) => Promise<void>
  readonly checkpoint: (snapshot: Snapshot, loss: number | null) => Promise<void>
  /** The engine that validates, started when first needed: training goes on beside it. */
  readonly evaluator: () => Promise<Trainer>
  readonly validationBatches: number
  readonly report: (report: Report) => void
  readonly dispatch: Dispatch
  /** For errors after which this peer cannot go on. */
  readonly fail: (error: unknown) => void
}

/** Snapshots encoded for a joiner, kept while others may ask for the same. */
const encodedKept = 2

export class Executor {
  readonly #encoded = new Map<Version, Uint8Array>()
  /** Whether this peer is a replica: it then takes in its own contributions too. */
  #followsGradients = false

  constructor(private readonly parts: ExecutorParts) {}

  readonly carryOut = (effect: OutwardEffect): void => {
    const { mesh, rounds, report } = this.parts
    switch (effect.type) {
      case 'send':
        mesh.send(effect.to, effect.message)
        return
      case 'publish':
        return mesh.publish(effect.topic, effect.message)
      case 'subscribe':
        if (effect.topic.kind === 'gradients') this.#followsGradients = true
        return mesh.subscribe(effect.topic)
      case 'place':
        return mesh.place(effect.peer, effect.cluster)
      case 'append':
        return this.#append(effect)
      case 'apply-outer':
        return this.#applyOuter(effect)
      case 'fetch-snapshot':
        return this.#fetchSnapshot(effect)
      case 'fetch-theta':
        return this.#fetchTheta(effect)
      case 'pull-contribution':
        return this.#pull(effect)
      case 'train':
        return this.#train(effect)
      case 'abort-training':
        return rounds.abort()
      case 'publish-contribution':
        return this.#publishContribution(effect)
      case 'forget-contribution':
        return rounds.forget(effect.assignment)
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

  /** What this peer can give to others. */
  readonly serve = (name: BulkName): Uint8Array | null => {
    const { states, contributions, rounds } = this.parts
    switch (name.kind) {
      case 'theta': {
        const theta = states.theta(name.version)
        return theta === undefined ? null : codecs.fp32.encode(theta)
      }
      case 'snapshot':
        return this.#snapshot(name.version)
      case 'payload':
        return contributions.held(name.hash) ?? rounds.held(name.hash)
    }
  }

  #snapshot(version: Version): Uint8Array | null {
    const known = this.#encoded.get(version)
    if (known !== undefined) return known
    const held = this.parts.states.get(version)
    if (held === undefined) return null
    const bytes = encodeSnapshot(held)
    this.#encoded.set(version, bytes)
    for (const old of this.#encoded.keys()) {
      if (this.#encoded.size <= encodedKept) break
      this.#encoded.delete(old)
    }
    return bytes
  }

  #append({ entries }: Effect<'append'>): void {
    const { append, dispatch, fail } = this.parts
    append(entries)
      .then(() => dispatch({ type: 'appended', index: entries[entries.length - 1].index }))
      .catch(fail)
  }

  #applyOuter({ entry, ledger, version, donors }: Effect<'apply-outer'>): void {
    const { contributions, states, dispatch } = this.parts
    contributions
      .payload(entry.payload, donors)
      .then((payload) => {
        const { digest, stateDigest } = states.apply(entry, ledger, payload)
        dispatch({ type: 'outer-applied', version, digest, stateDigest })
      })
      .catch((error: Error) => {
        const lasting = error instanceof VersionBroken
        dispatch({ type: 'outer-failed', version, reason: error.message, lasting })
      })
  }

  #fetchSnapshot({ version, stateDigest, donors }: Effect<'fetch-snapshot'>): void {
    const { mesh, states, dispatch } = this.parts
    mesh
      .fetch({ kind: 'snapshot', version }, donors, null)
      .then((bytes) => {
        const { outer, ledger } = decodeSnapshot(bytes)
        const snapshot = snapshotOf(outer, ledger, sha256)
        if (snapshot.stateDigest !== stateDigest)
          throw new Error(`its digest is ${snapshot.stateDigest}, not ${stateDigest}`)
        states.install(snapshot)
        dispatch({ type: 'snapshot-installed', ledger, digest: snapshot.digest, stateDigest })
      })
      .catch((error: Error) => dispatch({ type: 'snapshot-failed', reason: error.message }))
  }

  #fetchTheta({ version, digest, donors }: Effect<'fetch-theta'>): void {
    const { mesh, states, dispatch } = this.parts
    if (states.theta(version) !== undefined) return dispatch({ type: 'theta-ready', version })
    mesh
      .fetch({ kind: 'theta', version }, donors, digest)
      .then((bytes) => {
        states.holdTheta(version, codecs.fp32.decode(bytes, bytes.length / 4))
        dispatch({ type: 'theta-ready', version })
      })
      .catch((error: Error) => dispatch({ type: 'theta-failed', version, reason: error.message }))
  }

  #pull({ from, manifest }: Effect<'pull-contribution'>): void {
    const { contributions, rounds } = this.parts
    const own = rounds.payload(manifest)
    if (own !== null) void contributions.arrived(from, manifest, own)
    else contributions.pull(from, manifest)
  }

  #train({ assignment }: Effect<'train'>): void {
    const { states, rounds, dispatch } = this.parts
    const theta = states.theta(assignment.base)
    if (theta !== undefined) return rounds.train(assignment, theta)
    const reason = `version ${assignment.base} is not held here any more`
    dispatch({ type: 'training-failed', assignment: assignment.id, reason })
  }

  #publishContribution({ topic, manifest }: Effect<'publish-contribution'>): void {
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

  #validate({ version }: Effect<'validate'>): void {
    const { states, evaluator, validationBatches, dispatch } = this.parts
    const theta = states.theta(version)
    const evaluate = async () => {
      if (theta === undefined) throw new Error('it is not held here any more')
      const { loss } = await (await evaluator()).evaluate(theta, validationBatches)
      if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss}`)
      dispatch({ type: 'validated', version, loss })
    }
    evaluate().catch((error: Error) =>
      dispatch({ type: 'validation-failed', version, reason: error.message }),
    )
  }

  #checkpoint({ version, loss }: Effect<'checkpoint'>): void {
    const { states, checkpoint, report } = this.parts
    const held = states.get(version)
    if (held === undefined)
      return report({ type: 'warning', message: `Version ${version} is not held any more; no checkpoint.` })
    checkpoint(held, loss).catch((error: Error) =>
      report({ type: 'warning', message: `No checkpoint: ${error.message}` }),
    )
  }

  #sayFarewell(to: PeerId): void {
    const { mesh, account, dispatch } = this.parts
    account.finish()
    const message = account.farewell(mesh.traffic())
    if (to === mesh.self) dispatch({ type: 'message', from: to, message })
    else mesh.send(to, message)
  }
}
