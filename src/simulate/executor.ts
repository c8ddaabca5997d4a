// Carries out what the core decides, in virtual time: disk, outer step, transfers and training of every peer.
import type { CodecName } from '../core/codec-names.js'
import { type Assignment, payloadsOf, type Verdict } from '../core/entries.js'
import type { Effect, EffectOf, NewEvent } from '../core/events.js'
import type { AssignmentId, Hash, PeerId } from '../core/ids.js'
import type { Farewell, Manifest, Message, Topic } from '../core/messages.js'
import type { Report } from '../core/reports.js'
import { unreported } from '../outer/merge.js'
import { type Snapshot, VersionBroken } from '../outer/snapshot.js'
import { type Codec, codecNamed } from '../tensor/codec.js'
import { checkContribution } from '../tensor/contribution.js'
import { positionAfter, takeAway, withoutRound } from '../tensor/error-feedback.js'
import { type Fragment, fragmentAt, lengthOf } from '../tensor/fragments.js'
import { mixIn } from '../tensor/mixing.js'
import { firstNonFinite, subtract } from '../tensor/vector.js'
import type { VirtualClock } from './clock.js'
import type { Record } from './disk.js'
import type { VirtualNetwork } from './network.js'
import type { OuterSteps } from './outer-steps.js'
import { contributionOf, type Memory, type SimulatedPeer, topicName } from './peer.js'
import type { Promises } from './promises.js'
import type { SimulatedTask, TrainedRound } from './task.js'

/** The engine fails; the pseudo-gradient is not a number; its norm is not the one its manifest states. */
export type Sabotage = 'engine-fails' | 'not-finite' | 'wrong-norm'

/** What becomes of the rounds of workers that are whole clusters. */
export interface ClusterWorkers {
  /** @returns false if this peer is no such worker: it trains itself */
  begun(worker: SimulatedPeer, assignment: Assignment, theta: Float32Array): boolean
  settled(worker: SimulatedPeer, assignment: AssignmentId, outcome: Verdict['kind'] | null): void
  ended(worker: SimulatedPeer, outcome: string, reason: string): void
  /** @returns whether its account is kept back until its cluster is at its end too */
  keepsAccount(worker: SimulatedPeer, say: (account: Farewell) => void): boolean
}

/** What the executor needs of the swarm around it. */
export interface ExecutorParts {
  readonly network: VirtualNetwork
  readonly task: SimulatedTask
  readonly promises: Promises
  readonly outerSteps: OuterSteps
  /** Those that the run allows. */
  readonly codecs: ReadonlyMap<CodecName, Codec>
  /** In which contributions are sent; 1 where everything is sent at once. */
  readonly fragments: number
  /** alpha; 0 where theta is taken in as it is. */
  readonly mixing: number
  /** Those that a report of a cluster may have beside them. */
  readonly allCodecs: ReadonlyMap<CodecName, Codec>
  readonly sabotage: (peer: string, assignment: Assignment) => Sabotage | null
  readonly clock: VirtualClock
  readonly peers: ReadonlyMap<PeerId, SimulatedPeer>
  /** In [0, 1); each call is a new draw. */
  readonly roll: () => number
  readonly handle: (peer: SimulatedPeer, event: NewEvent) => void
  /** In the swarm above others: the clusters that work there. */
  readonly above: ClusterWorkers | null
  readonly report: (peer: SimulatedPeer, report: Report) => void
}

/** A round from its beginning until it is told of. */
interface RoundUnderWay {
  readonly assignment: Assignment
  readonly codec: CodecName
  cancelled: boolean
  /** Of a run that mixes; and the own contributions that it took in. */
  readonly drift: Float32Array | null
  readonly takenIn: readonly AssignmentId[]
}

/** An outer step and a validation of the toy, a request that fails: short against a round. */
const outerStepMs = 1
const validationMs = 5
const failureMs = 10
/** Versions a donor keeps: enough for those on their way. */
const snapshotsKept = 16

export class VirtualExecutor {
  constructor(private readonly parts: ExecutorParts) {}

  carryOut(peer: SimulatedPeer, effect: Effect): void {
    const { memory } = peer
    if (memory === null) return
    switch (effect.type) {
      case 'send':
        return this.#send(peer, effect.to, effect.message)
      case 'publish':
        return this.#publish(peer, effect.topic, effect.message)
      case 'subscribe':
        memory.topics.add(topicName(effect.topic))
        return
      case 'set-timer':
        return this.#setTimer(peer, memory, effect)
      case 'cancel-timer':
        return memory.timers.get(effect.name)?.()
      case 'persist':
        return this.#persist(peer, effect)
      case 'compact':
        return peer.disk.compact(effect.base)
      case 'forget-replica':
        memory.installs++
        memory.snapshots.clear()
        return peer.disk.forgetReplica()
      case 'hold-payload':
        return this.#holdPayload(peer, effect)
      case 'drop-payloads':
        return peer.disk.dropPayloads(effect.payloads)
      case 'save-snapshot':
        return this.#saveSnapshot(peer, memory, effect)
      case 'apply-outer':
        return this.#applyOuter(peer, memory, effect)
      case 'fetch-snapshot':
        return this.#fetchSnapshot(peer, memory, effect)
      case 'fetch-theta':
        return this.#fetchTheta(peer, memory, effect)
      case 'pull-contribution':
        return this.#pull(peer, effect)
      case 'train':
        return this.#train(peer, memory, effect)
      case 'abort-training':
        return memory.cancelTraining?.()
      case 'make-report':
        return this.#makeReport(peer, memory, effect)
      case 'publish-contribution':
        return this.#publishContribution(peer, effect)
      case 'forget-contribution':
        if (effect.outcome !== null) this.parts.promises.forgotten(effect.assignment, effect.outcome)
        this.parts.above?.settled(peer, effect.assignment, effect.outcome)
        return this.#settleRecord(peer, memory, effect.assignment, effect.outcome === 'apply')
      case 'validate':
        return this.#validate(peer, effect)
      case 'say-farewell':
        return this.#farewell(peer, effect.to)
      case 'report':
        return this.parts.report(peer, effect.report)
      case 'end':
        peer.outcome = effect.outcome
        this.parts.above?.ended(peer, effect.outcome, effect.reason)
        for (const cancel of memory.timers.values()) cancel()
        memory.cancelTraining?.()
        return
      // Peers of a simulation know each other's addresses, are not kept from speaking, and write no checkpoints.
      case 'call':
      case 'shut-out':
      case 'place':
      case 'checkpoint':
        return
      default:
        return effect satisfies never
    }
  }

  /** What a peer makes of something that takes time, unless its process died meanwhile. */
  #then(peer: SimulatedPeer, event: () => NewEvent | null): () => void {
    const { memory } = peer
    return () => {
      if (memory === null || peer.memory !== memory) return
      const happened = event()
      if (happened !== null) this.parts.handle(peer, happened)
    }
  }

  #later(peer: SimulatedPeer, delayMs: number, event: NewEvent): () => void {
    return this.parts.clock.after(
      delayMs,
      this.#then(peer, () => event),
    )
  }

  #setTimer(
    peer: SimulatedPeer,
    { timers }: Memory,
    { name, afterMs, spreadMs }: EffectOf<'set-timer'>,
  ): void {
    timers.get(name)?.()
    const drawn = spreadMs === undefined ? 0 : spreadMs * this.parts.roll()
    const rate = peer.device.clockRate ?? 1
    timers.set(name, this.#later(peer, (afterMs + drawn) / rate, { type: 'timer', name }))
  }

  #persist(peer: SimulatedPeer, { hard, entries, thenSend }: EffectOf<'persist'>): void {
    const last = entries.at(-1)
    const done = this.#then(peer, () => {
      for (const { to, message } of thenSend) this.#send(peer, to, message)
      return last === undefined ? null : { type: 'persisted', index: last.index, term: last.term }
    })
    peer.disk.persist(hard, entries, done)
  }

  #send(from: SimulatedPeer, to: PeerId, message: Message): void {
    const { network, peers, promises } = this.parts
    promises.sent(from, message)
    if (to === from.id) {
      this.#later(from, 0, { type: 'message', from: from.id, message })
      return
    }
    const receiver = peers.get(to)
    if (receiver === undefined) return
    const deliver = this.#then(receiver, () => ({ type: 'message', from: from.id, message }))
    network.stream(from, receiver, deliver)
  }

  #publish(from: SimulatedPeer, topic: Topic, message: Message): void {
    const { network } = this.parts
    for (const to of network.subscribers(from, topic)) {
      for (const delayMs of network.gossipDelaysMs(from, to))
        this.#later(to, delayMs, { type: 'message', from: from.id, message })
    }
  }

  #publishContribution(from: SimulatedPeer, { topic, manifest }: EffectOf<'publish-contribution'>): void {
    const { network, clock } = this.parts
    const gradient = from.disk.records.get(manifest.assignment)?.gradient
    if (gradient === undefined)
      throw new Error(`${from.name} publishes a contribution that is not on its disk.`)
    for (const to of network.subscribers(from, topic)) {
      for (const delayMs of network.gossipDelaysMs(from, to, manifest.bytes))
        clock.after(delayMs, () => this.receive(to, from.id, manifest, gradient))
    }
    if (from.subscribes(topic)) this.receive(from, from.id, manifest, gradient)
    this.#later(from, 0, { type: 'contribution-published', assignment: manifest.assignment })
  }

  #pull(peer: SimulatedPeer, { from, manifest }: EffectOf<'pull-contribution'>): void {
    const { network, clock } = this.parts
    const donor = from === peer.id ? peer : network.reachable(peer, from)
    const record = donor?.disk.records.get(manifest.assignment)
    if (donor === undefined || record?.manifest.payload !== manifest.payload) {
      const reason = 'the worker does not hold it'
      this.#later(peer, failureMs, { type: 'pull-failed', manifest, reason })
      return
    }
    const arrivesMs = donor === peer ? 0 : network.fetchMs(donor, peer, manifest.bytes)
    clock.after(arrivesMs, () => this.receive(peer, from, manifest, record.gradient))
  }

  /** Checked, then durable, then told to the core. @param gradient as the payload decodes */
  receive(peer: SimulatedPeer, from: PeerId, manifest: Manifest, gradient: Float32Array): void {
    if (peer.memory === null) return
    const { codecs } = this.parts
    const problem = codecs.has(manifest.codec)
      ? checkContribution(gradient, manifest, lengthOf(this.#fragmentOf(manifest)))
      : `its codec is ${manifest.codec}`
    const arrived: NewEvent = { type: 'contribution', from, manifest, problem }
    if (problem !== null) this.#later(peer, 0, arrived)
    else
      peer.disk.putPayload(
        manifest.payload,
        gradient,
        this.#then(peer, () => arrived),
      )
  }

  #holdPayload(peer: SimulatedPeer, { payload, donors }: EffectOf<'hold-payload'>): void {
    const { network, clock } = this.parts
    const donor = donors
      .map((id) => network.reachable(peer, id))
      .find((other) => other !== undefined && payloadOf(other, payload) !== undefined)
    const gradient = donor === undefined ? undefined : payloadOf(donor, payload)
    if (donor === undefined || gradient === undefined) {
      this.#later(peer, failureMs, { type: 'payload-failed', payload, reason: 'nobody in reach holds it' })
      return
    }
    const held = this.#then(peer, () => ({ type: 'payload-held', payload }))
    clock.after(network.fetchMs(donor, peer, gradient.byteLength), () => {
      if (peer.memory !== null) peer.disk.putPayload(payload, gradient, held)
    })
  }

  #saveSnapshot(
    peer: SimulatedPeer,
    { snapshots }: Memory,
    { version, ledger }: EffectOf<'save-snapshot'>,
  ): void {
    const snapshot = snapshots.get(version)
    if (snapshot === undefined)
      throw new Error(`${peer.name} saves version ${version}, which it does not hold.`)
    const { index, term } = ledger
    const saved = this.#then(peer, () => ({ type: 'snapshot-saved', index, term }))
    peer.disk.saveSnapshot({ ...snapshot, ledger }, saved)
  }

  #applyOuter(
    peer: SimulatedPeer,
    memory: Memory,
    { entry, ledger, version, donors }: EffectOf<'apply-outer'>,
  ): void {
    const { network, outerSteps, clock } = this.parts
    const { snapshots, installs } = memory
    const named = payloadsOf(entry)
    const isLocal = named.every((payload) => peer.disk.payloads.has(payload))
    const vectors = named.flatMap(
      (payload) => peer.disk.payloads.get(payload) ?? this.#payloadElsewhere(peer, payload, donors) ?? [],
    )
    const before = snapshots.get(version - 1)
    if (vectors.length < named.length || before === undefined) {
      const reason = before === undefined ? `version ${version - 1} is not held` : 'nobody holds its payload'
      this.#later(peer, failureMs, { type: 'outer-failed', version, reason, lasting: false })
      return
    }
    let next: Snapshot
    try {
      next = outerSteps.next(before, entry, ledger, vectors)
    } catch (error) {
      if (!(error instanceof VersionBroken)) throw error
      const { message: reason } = error
      this.#later(peer, outerStepMs, { type: 'outer-failed', version, reason, lasting: true })
      return
    }
    const made = this.#then(peer, () => {
      // A snapshot took the place of what this step began from.
      if (memory.installs !== installs) return null
      snapshots.set(version, next)
      snapshots.delete(version - snapshotsKept)
      const { digest, stateDigest } = next
      return { type: 'outer-applied', version, digest, stateDigest }
    })
    clock.after(outerStepMs + (isLocal ? 0 : network.model.betweenMs), made)
  }

  #payloadElsewhere(peer: SimulatedPeer, payload: Hash, donors: readonly PeerId[]) {
    return donors
      .map((id) => this.parts.network.reachable(peer, id)?.disk.payloads.get(payload))
      .find((gradient) => gradient !== undefined)
  }

  #fetchSnapshot(
    peer: SimulatedPeer,
    memory: Memory,
    { version, stateDigest, least, donors }: EffectOf<'fetch-snapshot'>,
  ): void {
    const { network, clock } = this.parts
    const donor = donors.map((id) => network.reachable(peer, id)).find((other) => other?.held(version))
    const snapshot = donor?.held(version)
    const isRight = snapshot?.stateDigest === stateDigest && this.#isGenuine(snapshot)
    if (donor === undefined || snapshot === undefined || !isRight || snapshot.ledger.index < least) {
      const reason = 'no donor holds one that will do'
      this.#later(peer, failureMs, { type: 'snapshot-failed', reason })
      return
    }
    const { ledger, digest } = snapshot
    const installed = this.#then(peer, () => {
      memory.snapshots.clear()
      memory.snapshots.set(version, snapshot)
      memory.installs++
      return { type: 'snapshot-installed', ledger, digest, stateDigest }
    })
    clock.after(network.fetchMs(donor, peer, snapshot.outer.theta.byteLength), () => {
      if (peer.memory !== memory) return
      peer.disk.saveSnapshot(snapshot, installed)
    })
  }

  /** What is fetched is not what its digests say if a bit flipped in the donor's memory. */
  #isGenuine({ outer }: Snapshot): boolean {
    return this.parts.outerSteps.isGenuine(outer)
  }

  #fetchTheta(
    peer: SimulatedPeer,
    { snapshots }: Memory,
    { version, digest, donors }: EffectOf<'fetch-theta'>,
  ): void {
    const { network, clock } = this.parts
    const donor = donors
      .map((id) => network.reachable(peer, id))
      .find((other) => other?.held(version)?.digest === digest)
    const snapshot = donor?.held(version)
    if (donor === undefined || snapshot === undefined || !this.#isGenuine(snapshot)) {
      const reason = 'no donor holds it any more'
      this.#later(peer, failureMs, { type: 'theta-failed', version, reason })
      return
    }
    const here = this.#then(peer, () => {
      if (!snapshots.has(version)) snapshots.set(version, snapshot)
      return { type: 'theta-ready', version }
    })
    clock.after(network.fetchMs(donor, peer, snapshot.outer.theta.byteLength), here)
  }

  #train(peer: SimulatedPeer, memory: Memory, train: EffectOf<'train'>): void {
    const { assignment, base: version, without } = train
    const base = memory.snapshots.get(version)
    if (base === undefined) {
      const reason = `version ${version} is not held here any more`
      this.#later(peer, 0, { type: 'training-failed', assignment: assignment.id, reason })
      return
    }
    if (this.parts.above?.begun(peer, { ...assignment, base: version }, base.outer.theta) === true) return
    const roundMs = assignment.steps * peer.device.secondsPerStep * 1000
    const own = without.flatMap((id) => peer.disk.records.get(id) ?? [])
    const { position: theta, ...mixed } = this.#startFrom(memory, base.outer.theta, own)
    const round: RoundUnderWay = {
      assignment: { ...assignment, base: version },
      codec: train.codec,
      cancelled: false,
      ...mixed,
    }
    const finish = this.#then(peer, () => this.#finishRound(peer, round, theta))
    const cancel = this.parts.clock.after(roundMs, finish)
    memory.cancelTraining = () => {
      round.cancelled = true
      cancel()
    }
  }

  /** @param own contributions that theta lacks */
  #startFrom({ residual, standing, takenIn }: Memory, theta: Float32Array, own: readonly Record[]) {
    const after = (start: Float32Array, record: Record) =>
      positionAfter(start, record.gradient, record.residual)
    const { fragments, mixing } = this.parts
    if (fragments === 1) return { position: own.reduce(after, theta), drift: null, takenIn: [] }
    // With all that it moved and did not send.
    const position = theta.slice()
    if (residual !== null) takeAway(position, residual)
    for (const { manifest, gradient } of own) takeAway(position, gradient, this.#fragmentOf(manifest).start)
    if (mixing === 0) return { position, drift: null, takenIn: [] }
    const drift = standing?.drift.slice() ?? new Float32Array(theta.length)
    const taken = new Set(takenIn.values())
    for (let index = 0; index < fragments; index++) {
      const { start, end } = fragmentAt(theta.length, fragments, index)
      const stood = taken.has(index) ? (standing?.end.subarray(start, end) ?? null) : null
      mixIn(position.subarray(start, end), drift.subarray(start, end), stood, mixing)
    }
    return { position, drift, takenIn: [...takenIn.keys()] }
  }

  #fragmentOf({ fragment = 0 }: Manifest): Fragment {
    const { task, fragments } = this.parts
    return fragmentAt(task.dimensions, fragments, Math.min(fragment, fragments - 1))
  }

  /** What the cluster has moved by now, durable here before it is told. */
  #makeReport(peer: SimulatedPeer, { state, snapshots }: Memory, effect: EffectOf<'make-report'>): void {
    const { round, codec, speed, loss } = effect
    const held = snapshots.get(state.replica?.applied ?? -1)
    if (held === undefined) {
      const reason = 'the newest version is not held'
      this.#later(peer, failureMs, { type: 'report-failed', round: round.id, reason })
      return
    }
    // What coding loses stays unreported.
    const { manifest, gradient } = contributionOf(
      round,
      unreported(held.outer),
      null,
      codecNamed(this.parts.allCodecs, codec),
      {
        speed,
        loss,
      },
    )
    const { payload } = manifest
    const made = this.#then(peer, () => {
      this.parts.handle(peer, { type: 'payload-held', payload })
      return { type: 'report-made', manifest }
    })
    peer.disk.putPayload(payload, gradient, made)
  }

  #finishRound(peer: SimulatedPeer, round: RoundUnderWay, theta: Float32Array): null {
    const { task, clock } = this.parts
    const { assignment } = round
    const { id } = assignment
    const sabotage = this.parts.sabotage(peer.name, assignment)
    if (sabotage === 'engine-fails') {
      this.#later(peer, 0, { type: 'training-failed', assignment: id, reason: 'the engine failed' })
      return null
    }
    const { memory } = peer
    clock.when(task.train(theta, assignment, peer.name), (trained) => {
      if (memory !== null && peer.memory === memory && !round.cancelled)
        this.#saveRound(peer, memory, round, theta, trained, sabotage)
    })
    return null
  }

  #saveRound(
    peer: SimulatedPeer,
    memory: Memory,
    round: RoundUnderWay,
    theta: Float32Array,
    { gradient: g, loss }: TrainedRound,
    sabotage: Sabotage | null,
  ): void {
    const { handle } = this.parts
    const { secondsPerStep } = peer.device
    const { id, steps } = round.assignment
    // As it is where a round goes on from an own one that was not finite.
    if (firstNonFinite(g) >= 0) {
      const reason = 'the pseudo-gradient is not finite; it is not sent'
      this.#later(peer, 0, { type: 'training-failed', assignment: id, reason })
      return
    }
    const codec = codecNamed(this.parts.allCodecs, round.codec)
    const measured = { speed: 1 / secondsPerStep, loss }
    const { fragments } = this.parts
    const sound = contributionOf(round.assignment, g, memory.residual, codec, measured, fragments)
    const { drift, takenIn } = round
    const standing = drift === null ? null : { end: subtract(theta, g), drift }
    if (sabotage === 'not-finite') sound.gradient[0] = Number.NaN
    const manifest =
      sabotage === 'wrong-norm' ? { ...sound.manifest, norm: 2 * sound.manifest.norm } : sound.manifest
    memory.residual = sound.residual?.after ?? null
    memory.standing = standing
    for (const id of takenIn) memory.takenIn.delete(id)
    const trained = this.#then(peer, () => {
      if (round.cancelled) {
        this.#settleRecord(peer, memory, id, false)
        return null
      }
      const ms = secondsPerStep * 1000
      handle(peer, { type: 'stepped', assignment: id, step: steps, loss, ms })
      return { type: 'trained', manifest }
    })
    peer.disk.saveRecord({ ...sound, manifest, ...(standing !== null && { standing }) }, trained)
  }

  /** Its verdict is known: a round that came to nothing leaves nothing in the residual. */
  #settleRecord(peer: SimulatedPeer, memory: Memory, id: AssignmentId, applied: boolean): void {
    const record = peer.disk.records.get(id)
    const made = record?.residual ?? null
    if (applied && record?.manifest.fragment !== undefined && this.parts.mixing > 0)
      memory.takenIn.set(id, record.manifest.fragment)
    if (!applied && made !== null && memory.residual !== null)
      memory.residual = withoutRound(memory.residual, made)
    peer.disk.settleRecord(id, memory.residual)
  }

  #validate(peer: SimulatedPeer, { version }: EffectOf<'validate'>): void {
    const held = peer.held(version)
    if (held === undefined)
      throw new Error(`${peer.name} validates version ${version}, which it does not hold.`)
    const { task, clock } = this.parts
    const { memory } = peer
    clock.when(task.evaluate(held.outer.theta), (loss) => {
      if (peer.memory === memory) this.#later(peer, validationMs, { type: 'validated', version, loss })
    })
  }

  #farewell(peer: SimulatedPeer, to: PeerId): void {
    const account = { utilisation: 1, emulated: 0, bytesSent: {}, interClusterBytes: 0 }
    const say = (farewell: Farewell) => this.#send(peer, to, farewell)
    if (this.parts.above?.keepsAccount(peer, say) !== true) say({ type: 'farewell', ...account })
  }
}

/** What a peer can give of a payload: from its disk, or its own worker's. */
function payloadOf({ disk }: SimulatedPeer, payload: Hash): Float32Array | undefined {
  const own = [...disk.records.values()].find(({ manifest }) => manifest.payload === payload)
  return disk.payloads.get(payload) ?? own?.gradient
}
