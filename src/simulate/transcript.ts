// A run as text: one line per event, its effects below it, in words that a reader of the protocol can follow.
import type { Assignment, Entry } from '../core/entries.js'
import type { Effect, PeerEvent } from '../core/events.js'
import type { PeerId } from '../core/ids.js'
import type { Message, Topic } from '../core/messages.js'
import type { TraceLine } from './swarm.js'

export interface TranscriptOptions {
  readonly nameOf: (peer: PeerId) => string
  /** Heartbeats, pulses and timers that led to nothing are left out unless asked for. */
  readonly everything?: boolean
}

/** Lines such as `  1003 ms  alice  bob's contribution a3 is here and sound`, effects indented below. */
export function transcript(lines: readonly TraceLine[], options: TranscriptOptions): string {
  const words = new Words(options.nameOf)
  const text: string[] = []
  for (const { at, peer, event, effects } of lines) {
    const said = effects.filter((effect) => options.everything === true || !isRoutine(effect))
    if (said.length === 0 && options.everything !== true && isRoutineEvent(event)) continue
    text.push(`${at.toFixed(0).padStart(6)} ms  ${peer}: ${words.event(event)}`)
    for (const effect of said) text.push(`             -> ${words.effect(effect)}`)
  }
  return `${text.join('\n')}\n`
}

function isRoutine(effect: Effect): boolean {
  if (effect.type === 'send') return effect.message.type === 'heartbeat' || effect.message.type === 'pulse'
  if (effect.type === 'set-timer') return effect.name === 'heartbeat' || effect.name === 'rejoin'
  // Reports say of the other effects what a reader sees already.
  return effect.type === 'report' && effect.report.type !== 'refused' && effect.report.type !== 'warning'
}

function isRoutineEvent(event: PeerEvent): boolean {
  switch (event.type) {
    case 'timer':
    case 'stepped':
    case 'connected':
    case 'disconnected':
      return true
    case 'message':
      return ['heartbeat', 'pulse', 'version', 'entries', 'farewell'].includes(event.message.type)
    default:
      return false
  }
}

class Words {
  constructor(private readonly nameOf: (peer: PeerId) => string) {}

  event(event: PeerEvent): string {
    switch (event.type) {
      case 'started':
        return event.holding === null
          ? 'started'
          : `started with contribution ${event.holding.assignment} on disk`
      case 'message':
        return `${this.nameOf(event.from)} says: ${this.message(event.message)}`
      case 'connected':
      case 'disconnected':
        return `${event.type} ${event.type === 'connected' ? 'to' : 'from'} ${this.nameOf(event.peer)}`
      case 'timer':
        return `timer ${event.name}`
      case 'appended':
        return `durable up to entry ${event.index}`
      case 'contribution': {
        const { from, manifest, problem } = event
        return `contribution ${manifest.assignment} of ${this.nameOf(from)} is here, ${problem ?? 'sound and durable'}`
      }
      case 'contribution-incomplete':
        return `chunks of contribution ${event.manifest.assignment} of ${this.nameOf(event.from)} are missing`
      case 'pull-failed':
        return `contribution ${event.manifest.assignment} could not be pulled: ${event.reason}`
      case 'outer-applied':
        return `version ${event.version} is made`
      case 'outer-failed':
        return `version ${event.version} could not be made: ${event.reason}`
      case 'snapshot-installed':
        return `snapshot of version ${event.ledger.version} is installed, up to entry ${event.ledger.index}`
      case 'snapshot-failed':
        return `no snapshot: ${event.reason}`
      case 'theta-ready':
        return `version ${event.version} is fetched`
      case 'theta-failed':
        return `version ${event.version} could not be fetched: ${event.reason}`
      case 'stepped':
        return `step ${event.step} of ${event.assignment}`
      case 'trained':
        return `round ${event.manifest.assignment} is trained, its contribution durable`
      case 'contribution-published':
        return `contribution ${event.assignment} is published`
      case 'training-failed':
        return `round ${event.assignment} failed: ${event.reason}`
      case 'validated':
        return `version ${event.version} is validated`
      case 'validation-failed':
        return `version ${event.version} could not be validated: ${event.reason}`
      case 'stop-requested':
        return 'the user stops it'
      default:
        return event satisfies never
    }
  }

  effect(effect: Effect): string {
    switch (effect.type) {
      case 'send':
        return `to ${this.nameOf(effect.to)}: ${this.message(effect.message)}`
      case 'publish':
        return `on ${topicOf(effect.topic)}: ${this.message(effect.message)}`
      case 'subscribe':
        return `subscribe to ${topicOf(effect.topic)}`
      case 'place':
        return `${this.nameOf(effect.peer)} is in ${effect.cluster}`
      case 'set-timer':
        return `timer ${effect.name} in ${effect.afterMs.toFixed(0)} ms`
      case 'cancel-timer':
        return `no timer ${effect.name}`
      case 'append':
        return `append ${effect.entries.map((entry) => this.entry(entry)).join('; ')}`
      case 'apply-outer':
        return `take the outer step to version ${effect.version} with ${effect.entry.assignment}`
      case 'fetch-snapshot':
        return `fetch the snapshot of version ${effect.version} from ${effect.donors.map(this.nameOf).join(', ')}`
      case 'fetch-theta':
        return `fetch version ${effect.version} from ${effect.donors.map(this.nameOf).join(', ')}`
      case 'pull-contribution':
        return `pull contribution ${effect.manifest.assignment} from ${this.nameOf(effect.from)}`
      case 'train':
        return `train ${this.round(effect.assignment)}`
      case 'abort-training':
        return 'stop training'
      case 'publish-contribution':
        return `publish contribution ${effect.manifest.assignment} on ${topicOf(effect.topic)}`
      case 'forget-contribution':
        return `forget contribution ${effect.assignment} (${effect.outcome})`
      case 'validate':
        return `validate version ${effect.version}`
      case 'checkpoint':
        return `checkpoint version ${effect.version}`
      case 'say-farewell':
        return `farewell to ${this.nameOf(effect.to)}`
      case 'report':
        return this.report(effect)
      case 'end':
        return `end: ${effect.outcome} (${effect.reason})`
      default:
        return effect satisfies never
    }
  }

  entry(entry: Entry): string {
    const place = `${entry.term}.${entry.index}`
    switch (entry.kind) {
      case 'no-op':
        return `${place} no-op (${entry.reason})`
      case 'admit':
        return `${place} admit ${entry.name} as ${entry.replica ? 'replica and worker' : 'worker'}`
      case 'evict':
        return `${place} evict ${this.nameOf(entry.peer)} (${entry.reason})`
      case 'assign':
        return `${place} assign ${this.nameOf(entry.assignment.worker)} ${this.round(entry.assignment)}, window ${entry.window}`
      case 'apply':
        return `${place} apply ${entry.assignment} of ${this.nameOf(entry.worker)}, staleness ${entry.staleness}`
      case 'refuse':
      case 'expire':
        return `${place} ${entry.kind} ${entry.assignment} of ${this.nameOf(entry.worker)} (${entry.reason})`
      case 'finish':
        return `${place} finish (${entry.reason})`
      default:
        return entry satisfies never
    }
  }

  message(message: Message): string {
    switch (message.type) {
      case 'heartbeat':
        return `heartbeat of term ${message.term}, entry ${message.index}, version ${message.version}`
      case 'pulse':
        return `${message.phase}${message.assignment === null ? '' : ` ${message.assignment}`}, entry ${message.index}`
      case 'join':
        return `join as ${message.name} in ${message.cluster}${message.holding === null ? '' : `, at ${message.holding}`}`
      case 'welcome':
        return `welcome to term ${message.term}${message.snapshot === null ? '' : `, take the snapshot of version ${message.snapshot.version}`}`
      case 'turned-away':
        return `turned away: ${message.reason}`
      case 'entries':
        return message.entries.map((entry) => this.entry(entry)).join('; ')
      case 'want-entries':
        return `send entries from ${message.from} on`
      case 'version':
        return `version ${message.version} is ready`
      case 'offer':
        return `contribution ${message.manifest.assignment} is here to be pulled`
      case 'give-up':
        return `round ${message.assignment} will not come: ${message.reason}`
      case 'validated':
        return `version ${message.version} is validated`
      case 'leave':
        return `leaving: ${message.reason}`
      case 'farewell':
        return 'farewell'
      default:
        return message satisfies never
    }
  }

  private round({ id, steps, shard, position, base }: Assignment): string {
    return `${id}: ${steps} steps from ${position} on shard ${shard}, from version ${base}`
  }

  private report({ report }: Extract<Effect, { type: 'report' }>): string {
    switch (report.type) {
      case 'refused':
        return `refuse ${report.what}${report.from === null ? '' : ` from ${report.from}`}: ${report.reason}`
      case 'warning':
        return `warn: ${report.message}`
      default:
        return `report ${report.type}`
    }
  }
}

const topicOf = (topic: Topic): string =>
  'cluster' in topic ? `${topic.kind} of ${topic.cluster}` : topic.kind
