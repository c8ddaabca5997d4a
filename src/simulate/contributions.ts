// Contributions on their way, in virtual time: published, pulled, checked, and durable where an entry names them.
import type { CodecName } from '../core/codec-names.js'
import type { EffectOf, NewEvent } from '../core/events.js'
import type { Hash, PeerId } from '../core/ids.js'
import type { Manifest } from '../core/messages.js'
import type { Codec } from '../tensor/codec.js'
import { checkContribution } from '../tensor/contribution.js'
import { type Fragment, fragmentAt, lengthOf } from '../tensor/fragments.js'
import type { VirtualClock } from './clock.js'
import type { VirtualNetwork } from './network.js'
import type { SimulatedPeer } from './peer.js'
import type { Processes } from './processes.js'
import type { SimulatedTask } from './task.js'

export interface ContributionParts {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly processes: Processes
  readonly task: SimulatedTask
  /** In which contributions are sent; 1 where everything is sent at once. */
  readonly fragments: number
  /** Those that the run allows. */
  readonly codecs: ReadonlyMap<CodecName, Codec>
}

export class Contributions {
  constructor(private readonly parts: ContributionParts) {}

  publish(from: SimulatedPeer, { topic, manifest }: EffectOf<'publish-contribution'>): void {
    const { network, clock, processes } = this.parts
    const gradient = from.disk.records.get(manifest.assignment)?.gradient
    if (gradient === undefined)
      throw new Error(`${from.name} publishes a contribution that is not on its disk.`)
    for (const to of network.subscribers(from, topic)) {
      for (const delayMs of network.gossipDelaysMs(from, to, manifest.bytes))
        clock.after(delayMs, () => this.receive(to, from.id, manifest, gradient))
    }
    if (from.subscribes(topic)) this.receive(from, from.id, manifest, gradient)
    processes.tellAfter(from, 0, { type: 'contribution-published', assignment: manifest.assignment })
  }

  pull(peer: SimulatedPeer, { from, manifest }: EffectOf<'pull-contribution'>): void {
    const { network, clock, processes } = this.parts
    const donor = from === peer.id ? peer : network.reachable(peer, from)
    const record = donor?.disk.records.get(manifest.assignment)
    if (donor === undefined || record?.manifest.payload !== manifest.payload) {
      const reason = 'the worker does not hold it'
      return processes.tellOfFailure(peer, { type: 'pull-failed', manifest, reason })
    }
    const arrivesMs = donor === peer ? 0 : network.fetchMs(donor, peer, manifest.bytes)
    clock.after(arrivesMs, () => this.receive(peer, from, manifest, record.gradient))
  }

  /** Checked, then durable, then told to the core. @param gradient as the payload decodes */
  receive(peer: SimulatedPeer, from: PeerId, manifest: Manifest, gradient: Float32Array): void {
    if (peer.memory === null) return
    const { codecs, task, fragments, processes } = this.parts
    const problem = codecs.has(manifest.codec)
      ? checkContribution(gradient, manifest, lengthOf(fragmentOf(manifest, task.dimensions, fragments)))
      : `its codec is ${manifest.codec}`
    const arrived: NewEvent = { type: 'contribution', from, manifest, problem }
    if (problem !== null) processes.tellAfter(peer, 0, arrived)
    else peer.disk.putPayload(manifest.payload, gradient, processes.telling(peer, arrived))
  }

  hold(peer: SimulatedPeer, { payload, donors }: EffectOf<'hold-payload'>): void {
    const { network, clock, processes } = this.parts
    const donor = donors
      .map((id) => network.reachable(peer, id))
      .find((other) => other !== undefined && payloadOf(other, payload) !== undefined)
    const gradient = donor === undefined ? undefined : payloadOf(donor, payload)
    if (donor === undefined || gradient === undefined) {
      const reason = 'nobody in reach holds it'
      return processes.tellOfFailure(peer, { type: 'payload-failed', payload, reason })
    }
    const held = processes.telling(peer, { type: 'payload-held', payload })
    clock.after(network.fetchMs(donor, peer, gradient.byteLength), () => {
      if (peer.memory !== null) peer.disk.putPayload(payload, gradient, held)
    })
  }
}

/** The stretch of theta that a contribution is of; one that names no fragment of the run is taken for its last. */
export function fragmentOf({ fragment = 0 }: Manifest, dimensions: number, fragments: number): Fragment {
  return fragmentAt(dimensions, fragments, Math.min(fragment, fragments - 1))
}

/** What a peer can give of a payload: from its disk, or its own worker's. */
function payloadOf({ disk }: SimulatedPeer, payload: Hash): Float32Array | undefined {
  const own = [...disk.records.values()].find(({ manifest }) => manifest.payload === payload)
  return disk.payloads.get(payload) ?? own?.gradient
}
