// A cluster as a worker of the swarm above, beside the peer that leads the cluster: its rounds are carried out by the
// whole cluster, and what it sends is what the cluster's ledger says.
import type { Verdict } from '../core/entries.js'
import type { EffectOf, NewEvent } from '../core/events.js'
import type { AssignmentId, PeerId, Version } from '../core/ids.js'
import type { Farewell, Manifest, Message } from '../core/messages.js'
import { reportOfRound } from '../core/representative.js'
import type { PeerSetup, PeerState } from '../core/state.js'
import type { Mesh } from '../ports/mesh.js'
import { bytesUnder } from '../store/safetensors.js'
import type { Contributions } from './contributions.js'
import { type Dispatch, Driver, type Ending, type OutwardEffect } from './driver.js'
import { vectorBytes } from './payload-check.js'
import { reasonOf } from './reason.js'

export interface ClusterVoiceParts {
  readonly setup: PeerSetup
  readonly mesh: Mesh
  readonly cluster: {
    readonly dispatch: Dispatch
    readonly state: () => PeerState
    readonly contributions: () => Contributions
  }
  /** Of a version of the swarm above, if this peer holds it itself. */
  readonly theta: (version: Version) => Float32Array | undefined
  readonly send: (to: PeerId, message: Message) => void
  readonly warn: (message: string) => void
}

const now = () => performance.now()

export class ClusterVoice {
  readonly #driver: Driver
  /** How the latest contribution ended. */
  #verdict: { readonly assignment: AssignmentId; readonly outcome: Verdict['kind'] | null } | null = null
  /** The leader above waits for the account of the cluster, which it gives once its own peers have. */
  #farewell: ((account: Farewell) => void) | null = null
  #closed = false

  constructor(private readonly parts: ClusterVoiceParts) {
    this.#driver = new Driver(parts.setup, (effect) => this.#carryOut(effect), now)
    this.#driver.ended.then(
      (ending) => this.#ended(ending),
      (error) => parts.warn(`Nobody speaks for the cluster any more: ${reasonOf(error)}`),
    )
  }

  /** @param holding what was reported and is not settled */
  begin(holding: readonly Manifest[], connected: Iterable<PeerId>): void {
    this.dispatch({ type: 'started', speed: null, holding })
    for (const peer of connected) this.dispatch({ type: 'connected', peer })
  }

  dispatch(event: NewEvent): void {
    if (!this.#closed) this.#driver.dispatch(event)
  }

  /** The cluster's report is committed: the round is done. */
  contribute(manifest: Manifest): void {
    this.dispatch({ type: 'trained', manifest })
  }

  /** The cluster is at its end, too. */
  conclude(account: Farewell): void {
    this.#farewell?.(account)
  }

  /** Voters above are trusted as those of the cluster are: it shuts out whom they do, whichever cluster that is of. */
  shutOut(who: PeerId): void {
    const reason = 'it was shut out of the swarm above'
    this.parts.cluster.dispatch({ type: 'shut-out-requested', who, reason })
  }

  close(): void {
    this.#closed = true
    this.#driver.close()
  }

  #carryOut(effect: OutwardEffect): void {
    const { mesh, send, warn } = this.parts
    switch (effect.type) {
      case 'send':
        return send(effect.to, effect.message)
      case 'subscribe':
        return mesh.subscribe(effect.topic)
      case 'call':
        return mesh.call(effect.peer, effect.addresses)
      case 'fetch-theta':
        void this.#fetchTheta(effect)
        return
      case 'train':
        return this.#takeUp(effect)
      case 'publish-contribution':
        return this.#offer(effect)
      case 'forget-contribution':
        this.#verdict = { assignment: effect.assignment, outcome: effect.outcome }
        return
      case 'say-farewell':
        this.#farewell = (account) => send(effect.to, account)
        return
      case 'report':
        if (effect.report.type === 'warning') warn(`In the swarm above: ${effect.report.message}`)
        return
      case 'shut-out':
        return this.shutOut(effect.who)
      // The rounds of a cluster cannot be taken back, and are known by its reports.
      case 'abort-training':
      case 'place':
        return
      default:
        throw new Error(`A cluster does not do '${effect.type}' in the swarm above.`)
    }
  }

  /** Made durable here, for the entry that takes it in names it. */
  async #fetchTheta({ version, digest, donors }: EffectOf<'fetch-theta'>): Promise<void> {
    const { mesh, theta, cluster, setup } = this.parts
    try {
      const contributions = cluster.contributions()
      const held = theta(version)
      const here = held === undefined ? await contributions.held(digest) : bytesUnder(held)
      const others = donors.filter((donor) => donor !== mesh.self)
      const bytes =
        here ?? (await mesh.fetch({ kind: 'theta', version }, others, digest, { atMost: vectorBytes(setup) }))
      await contributions.own(digest, bytes)
      this.dispatch({ type: 'theta-ready', version })
    } catch (error) {
      this.dispatch({ type: 'theta-failed', version, reason: reasonOf(error) })
    }
  }

  #takeUp({ assignment }: EffectOf<'train'>): void {
    const { id, base, baseDigest: digest, steps } = assignment
    const round = { id, base, steps }
    const { cluster } = this.parts
    const report = reportOfRound(cluster.state(), assignment)
    if (report !== null) return this.contribute(report)
    cluster.dispatch({ type: 'parent-round', round, digest, verdict: this.#verdict })
  }

  /** Offered to the leader, who pulls it, and the other holders from it: few, and far apart. */
  #offer({ manifest }: EffectOf<'publish-contribution'>): void {
    const { leader } = this.#driver.state
    if (leader !== null) this.parts.send(leader, { type: 'offer', manifest })
    queueMicrotask(() => this.dispatch({ type: 'contribution-published', assignment: manifest.assignment }))
  }

  #ended({ outcome, reason }: Ending): void {
    const { cluster, warn } = this.parts
    if (outcome === 'finished' || outcome === 'failed')
      return cluster.dispatch({ type: 'parent-finished', reason, ok: outcome === 'finished' })
    if (outcome === 'turned-away') warn(`The swarm above does not take this cluster: ${reason}`)
  }
}
