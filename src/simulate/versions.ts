// Versions of the outer state in virtual time: made by outer steps, saved, fetched, and reported to the swarm above.
import type { CodecName } from '../core/codec-names.js'
import { payloadsOf } from '../core/entries.js'
import type { EffectOf } from '../core/events.js'
import type { Hash, PeerId } from '../core/ids.js'
import { unreported } from '../outer/merge.js'
import { type Snapshot, VersionBroken } from '../outer/snapshot.js'
import { type Codec, codecNamed } from '../tensor/codec.js'
import type { VirtualClock } from './clock.js'
import type { VirtualNetwork } from './network.js'
import type { OuterSteps } from './outer-steps.js'
import { contributionOf, type Memory, type SimulatedPeer } from './peer.js'
import type { Processes } from './processes.js'

export interface VersionParts {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly processes: Processes
  readonly outerSteps: OuterSteps
  /** Also those that the run does not allow: a report of a cluster may have any. */
  readonly allCodecs: ReadonlyMap<CodecName, Codec>
}

/** An outer step of the toy: short against a round. */
const outerStepMs = 1
/** Versions a donor keeps: enough for those on their way. */
const snapshotsKept = 16

export class Versions {
  constructor(private readonly parts: VersionParts) {}

  save(peer: SimulatedPeer, { snapshots }: Memory, { version, ledger }: EffectOf<'save-snapshot'>): void {
    const snapshot = snapshots.get(version)
    if (snapshot === undefined)
      throw new Error(`${peer.name} saves version ${version}, which it does not hold.`)
    const { index, term } = ledger
    const saved = this.parts.processes.telling(peer, { type: 'snapshot-saved', index, term })
    peer.disk.saveSnapshot({ ...snapshot, ledger }, saved)
  }

  applyOuter(
    peer: SimulatedPeer,
    memory: Memory,
    { entry, ledger, version, donors }: EffectOf<'apply-outer'>,
  ): void {
    const { network, outerSteps, clock, processes } = this.parts
    const { snapshots, installs } = memory
    const named = payloadsOf(entry)
    const isLocal = named.every((payload) => peer.disk.payloads.has(payload))
    const vectors = named.flatMap(
      (payload) => peer.disk.payloads.get(payload) ?? this.#payloadElsewhere(peer, payload, donors) ?? [],
    )
    const before = snapshots.get(version - 1)
    if (vectors.length < named.length || before === undefined) {
      const reason = before === undefined ? `version ${version - 1} is not held` : 'nobody holds its payload'
      return processes.tellOfFailure(peer, { type: 'outer-failed', version, reason, lasting: false })
    }
    let next: Snapshot
    try {
      next = outerSteps.next(before, entry, ledger, vectors)
    } catch (error) {
      if (!(error instanceof VersionBroken)) throw error
      const { message: reason } = error
      processes.tellAfter(peer, outerStepMs, { type: 'outer-failed', version, reason, lasting: true })
      return
    }
    const made = processes.ifAlive(peer, () => {
      // A snapshot took the place of what this step began from.
      if (memory.installs !== installs) return
      snapshots.set(version, next)
      snapshots.delete(version - snapshotsKept)
      const { digest, stateDigest } = next
      processes.tell(peer, { type: 'outer-applied', version, digest, stateDigest })
    })
    clock.after(outerStepMs + (isLocal ? 0 : network.model.betweenMs), made)
  }

  #payloadElsewhere(peer: SimulatedPeer, payload: Hash, donors: readonly PeerId[]) {
    return donors
      .map((id) => this.parts.network.reachable(peer, id)?.disk.payloads.get(payload))
      .find((gradient) => gradient !== undefined)
  }

  fetchSnapshot(
    peer: SimulatedPeer,
    memory: Memory,
    { version, stateDigest, least, donors }: EffectOf<'fetch-snapshot'>,
  ): void {
    const { network, clock, processes } = this.parts
    const donor = donors.map((id) => network.reachable(peer, id)).find((other) => other?.held(version))
    const snapshot = donor?.held(version)
    const isRight = snapshot?.stateDigest === stateDigest && this.#isGenuine(snapshot)
    if (donor === undefined || snapshot === undefined || !isRight || snapshot.ledger.index < least) {
      const reason = 'no donor holds one that will do'
      return processes.tellOfFailure(peer, { type: 'snapshot-failed', reason })
    }
    const { ledger, digest } = snapshot
    const installed = processes.ifAlive(peer, () => {
      memory.snapshots.clear()
      memory.snapshots.set(version, snapshot)
      memory.installs++
      processes.tell(peer, { type: 'snapshot-installed', ledger, digest, stateDigest })
    })
    clock.after(network.fetchMs(donor, peer, snapshot.outer.theta.byteLength), () => {
      if (peer.memory !== memory) return
      peer.disk.saveSnapshot(snapshot, installed)
    })
  }

  fetchTheta(
    peer: SimulatedPeer,
    { snapshots }: Memory,
    { version, digest, donors }: EffectOf<'fetch-theta'>,
  ): void {
    const { network, clock, processes } = this.parts
    const donor = donors
      .map((id) => network.reachable(peer, id))
      .find((other) => other?.held(version)?.digest === digest)
    const snapshot = donor?.held(version)
    if (donor === undefined || snapshot === undefined || !this.#isGenuine(snapshot)) {
      const reason = 'no donor holds it any more'
      return processes.tellOfFailure(peer, { type: 'theta-failed', version, reason })
    }
    const here = processes.ifAlive(peer, () => {
      if (!snapshots.has(version)) snapshots.set(version, snapshot)
      processes.tell(peer, { type: 'theta-ready', version })
    })
    clock.after(network.fetchMs(donor, peer, snapshot.outer.theta.byteLength), here)
  }

  /** What is fetched is not what its digests say if a bit flipped in the donor's memory. */
  #isGenuine({ outer }: Snapshot): boolean {
    return this.parts.outerSteps.isGenuine(outer)
  }

  /** What the cluster has moved by now, durable here before it is told. */
  makeReport(peer: SimulatedPeer, { state, snapshots }: Memory, effect: EffectOf<'make-report'>): void {
    const { allCodecs, processes } = this.parts
    const { round, codec: name, speed, loss } = effect
    const held = snapshots.get(state.replica?.applied ?? -1)
    if (held === undefined) {
      const reason = 'the newest version is not held'
      return processes.tellOfFailure(peer, { type: 'report-failed', round: round.id, reason })
    }
    const codec = codecNamed(allCodecs, name)
    // What coding loses stays unreported.
    const { manifest, gradient } = contributionOf(round, unreported(held.outer), null, codec, { speed, loss })
    const { payload } = manifest
    const made = processes.ifAlive(peer, () => {
      processes.tell(peer, { type: 'payload-held', payload })
      processes.tell(peer, { type: 'report-made', manifest })
    })
    peer.disk.putPayload(payload, gradient, made)
  }
}
