// The topics of the run: what is said on them, and how what others say there is opened.
import type { Manifest, Message, Topic } from '../../core/messages.js'
import type { MeshHandlers } from '../../ports/mesh.js'
import { sealedFrames } from '../../wire/fitting.js'
import type { EnteredRun } from '../entered-run.js'
import { innermost } from '../errors.js'
import type { Reception } from '../reception.js'
import type { Gossip } from './gossip.js'
import { publishContribution } from './publishing.js'
import { topicName } from './topics.js'

/** Of the swarm named in each call: a cluster's own; null for the only one, or the one above the clusters. */
export class RunTopics {
  constructor(
    private readonly run: EnteredRun,
    private readonly gossip: Gossip,
    private readonly reception: Reception,
    private readonly refused: MeshHandlers['refused'],
  ) {}

  subscribe(topic: Topic, swarm: string | null): void {
    this.gossip.subscribe(this.#name(topic, swarm))
  }

  publish(topic: Topic, message: Message, swarm: string | null): void {
    for (const frame of sealedFrames(this.run.entered(), message)) {
      this.gossip
        .publish(this.#name(topic, swarm), frame, 'everyone')
        .catch((error) => this.refused(null, `publishing ${message.type}`, innermost(error)))
    }
  }

  /** Resolves when the last chunk left. */
  publishContribution(
    topic: Topic,
    manifest: Manifest,
    payload: Uint8Array,
    swarm: string | null,
  ): Promise<void> {
    const name = this.#name(topic, swarm)
    return publishContribution(this.gossip, this.run.entered(), name, manifest, payload)
  }

  /** The topic's name; from now on what comes there is opened. */
  #name(topic: Topic, swarm: string | null): string {
    const run = this.run.entered()
    const name = topicName(run, topic, swarm)
    this.gossip.allow(name, (sender, author, bytes) => {
      const origin = { run, swarm, sender, author }
      return topic.kind === 'gradients'
        ? this.reception.gradientFrame(bytes, origin)
        : this.reception.gossipMessage(bytes, origin)
    })
    return name
  }
}
