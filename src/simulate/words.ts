// What happens in a run, in words that a reader of the protocol can follow: events, effects, messages, entries.
import type { Assignment, Entry, OuterBody } from '../core/entries.js'
import type { Effect, EffectOf, PeerEvent } from '../core/events.js'
import type { PeerId } from '../core/ids.js'
import type { Message, Topic } from '../core/messages.js'

export class Words {
  constructor(private readonly nameOf: (peer: PeerId) => string) {}

  event(event: PeerEvent): string {
    switch (event.type) {
      case 'started':
        return event.holding.length === 0
          ? 'started'
          : `started with ${event.holding.map(({ assignment }) => assignment).join(', ')} on disk`
      case 'message':
        return `${this.nameOf(event.from)} says: ${this.#message(event.message)}`
      case 'connected':
      case 'disconnected':
        return `${event.type} ${event.type === 'connected' ? 'to' : 'from'} ${this.nameOf(event.peer)}`
      case 'timer':
        return `timer ${event.name}`
      case 'persisted':
        return `durable up to entry ${event.index} of term ${event.term}`
      case 'payload-held':
        return `payload ${short(event.payload)} is here and durable`
      case 'payload-failed':
        return `payload ${short(event.payload)} could not be had: ${event.reason}`
      case 'snapshot-saved':
        return `the snapshot up to entry ${event.index} is durable`
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
      case 'moved':
        return `it is reached at ${event.addresses.join(', ')} now`
      case 'shut-out-requested':
        return `its user wants ${this.nameOf(event.who)} shut out: ${event.reason}`
      case 'parent-round':
        return `round ${event.round.id} of the swarm above, from its version ${event.round.base}`
      case 'parent-finished':
        return `the swarm above is at its end: ${event.reason}`
      case 'report-made':
        return `the report of round ${event.manifest.assignment} above is made and durable`
      case 'report-failed':
        return `no report of round ${event.round} above: ${event.reason}`
      case 'stop-requested':
        return 'the user stops it'
      default:
        return event satisfies never
    }
  }

  effect(effect: Effect): string {
    switch (effect.type) {
      case 'send':
        return `to ${this.nameOf(effect.to)}: ${this.#message(effect.message)}`
      case 'publish':
        return `on ${topicOf(effect.topic)}: ${this.#message(effect.message)}`
      case 'subscribe':
        return `subscribe to ${topicOf(effect.topic)}`
      case 'place':
        return `${this.nameOf(effect.peer)} is in ${effect.cluster}`
      case 'set-timer': {
        const { name, afterMs, spreadMs = 0 } = effect
        const most = spreadMs === 0 ? '' : ` to ${(afterMs + spreadMs).toFixed(0)}`
        return `timer ${name} in ${afterMs.toFixed(0)}${most} ms`
      }
      case 'cancel-timer':
        return `no timer ${effect.name}`
      case 'shut-out':
        return `shut out ${this.nameOf(effect.who)}`
      case 'call':
        return `call ${this.nameOf(effect.peer)}`
      case 'persist':
        return this.#persist(effect)
      case 'hold-payload':
        return `get payload ${short(effect.payload)} from ${effect.donors.map(this.nameOf).join(', ')}`
      case 'drop-payloads':
        return `drop ${effect.payloads.length} payloads`
      case 'save-snapshot':
        return `save the snapshot of version ${effect.version}, up to entry ${effect.ledger.index}`
      case 'forget-replica':
        return 'forget the ledger and all snapshots'
      case 'compact':
        return `forget the ledger up to entry ${effect.base.index}`
      case 'apply-outer':
        return `take the outer step to version ${effect.version} with ${namedBy(effect.entry)}`
      case 'fetch-snapshot':
        return `fetch the snapshot of version ${effect.version} from ${effect.donors.map(this.nameOf).join(', ')}`
      case 'fetch-theta':
        return `fetch version ${effect.version} from ${effect.donors.map(this.nameOf).join(', ')}`
      case 'pull-contribution':
        return `pull contribution ${effect.manifest.assignment} from ${this.nameOf(effect.from)}`
      case 'train':
        return `train ${this.#round(effect.assignment)}`
      case 'abort-training':
        return 'stop training'
      case 'make-report':
        return `make the report of round ${effect.round.id} above`
      case 'publish-contribution':
        return `publish contribution ${effect.manifest.assignment} on ${topicOf(effect.topic)}`
      case 'forget-contribution':
        return `forget contribution ${effect.assignment} (${effect.outcome ?? 'settled'})`
      case 'validate':
        return `validate version ${effect.version}`
      case 'checkpoint':
        return `checkpoint version ${effect.version}`
      case 'say-farewell':
        return `farewell to ${this.nameOf(effect.to)}`
      case 'report':
        return this.#report(effect)
      case 'end':
        return `end: ${effect.outcome} (${effect.reason})`
      default:
        return effect satisfies never
    }
  }

  #persist({ hard, entries, thenSend }: EffectOf<'persist'>): string {
    const parts: string[] = []
    if (hard !== null) {
      const vote = hard.vote === null ? 'no vote' : `the vote for ${this.nameOf(hard.vote)}`
      parts.push(`term ${hard.term} with ${vote}`)
    }
    parts.push(...entries.map((entry) => this.#entry(entry)))
    const then = thenSend.map(({ to, message }) => `then to ${this.nameOf(to)}: ${this.#message(message)}`)
    return `make durable ${[parts.join('; ') || 'all so far', ...then].join('; ')}`
  }

  #entry(entry: Entry): string {
    const place = `${entry.term}.${entry.index}`
    switch (entry.kind) {
      case 'no-op':
        return `${place} no-op (${entry.reason})`
      case 'configure': {
        const set = (voters: readonly PeerId[]) => voters.map(this.nameOf).join(', ')
        const next = entry.next === null ? '' : ` and then ${set(entry.next)}`
        return `${place} voters ${set(entry.voters)}${next} (${entry.reason})`
      }
      case 'revoke':
        return `${place} revoke ${this.nameOf(entry.who)} (${entry.reason})`
      case 'validate':
        return `${place} validate version ${entry.version}`
      case 'admit':
        return `${place} admit ${entry.name} as ${entry.replica ? 'replica and worker' : 'worker'}`
      case 'evict':
        return `${place} evict ${this.nameOf(entry.peer)} (${entry.reason})`
      case 'assign':
        return `${place} assign ${this.nameOf(entry.assignment.worker)} ${this.#round(entry.assignment)}, window ${entry.window}`
      case 'apply':
        return `${place} apply ${entry.assignment} of ${this.nameOf(entry.worker)}, staleness ${entry.staleness}`
      case 'refuse':
      case 'expire':
        return `${place} ${entry.kind} ${entry.assignment} of ${this.nameOf(entry.worker)} (${entry.reason})`
      case 'report':
        return `${place} report ${entry.manifest.assignment} to the swarm above`
      case 'merge':
        return `${place} merge ${entry.round.id} of the swarm above${entry.afresh ? ' afresh' : ''}, version ${entry.version}`
      case 'finish':
        return `${place} finish (${entry.reason})`
      default:
        return entry satisfies never
    }
  }

  #message(message: Message): string {
    switch (message.type) {
      case 'heartbeat':
        return `heartbeat of term ${message.term}, entry ${message.index}, version ${message.version}`
      case 'pulse':
        return `${message.phase}${message.assignments.map((id) => ` ${id}`).join('')}, entry ${message.index}`
      case 'join':
        return `join as ${message.name} in ${message.cluster}${message.holding.length === 0 ? '' : `, at ${message.holding.join(', ')}`}`
      case 'welcome':
        return `welcome to term ${message.term}${message.snapshot === null ? '' : `, take the snapshot of version ${message.snapshot.version}`}`
      case 'turned-away':
        return `turned away: ${message.reason}`
      case 'entries':
        return message.entries.map((entry) => this.#entry(entry)).join('; ')
      case 'settled':
        return `${message.assignment} was settled: ${message.outcome}`
      case 'redirect':
        return `${message.leader === null ? 'nobody' : this.nameOf(message.leader)} leads`
      case 'append': {
        const entries = message.entries.map((entry) => this.#entry(entry)).join('; ')
        const after = `after ${message.prev.term}.${message.prev.index}`
        return `${entries === '' ? 'nothing new' : entries}, ${after}, committed up to ${message.commit}`
      }
      case 'appended':
        return message.ok ? `durable up to ${message.index}` : `send what follows ${message.index}`
      case 'ask-vote': {
        const { term, last, pre } = message
        return `${pre ? 'would you vote' : 'vote'} for me in term ${term}? My ledger ends at ${last.term}.${last.index}`
      }
      case 'vote': {
        const { granted, pre, reason } = message
        const answer = granted ? (pre ? 'I would' : 'you have my vote') : 'no'
        return `${answer}: ${reason}`
      }
      case 'take-over':
        return 'lead in my place'
      case 'want-digest':
        return `which state have you made of version ${message.version}?`
      case 'digest-of':
        return `version ${message.version} is ${message.stateDigest === null ? 'forgotten' : short(message.stateDigest)}`
      case 'heal':
        return `most voters made ${short(message.stateDigest)} of version ${message.version}`
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
      case 'shut-out':
        return `shut out ${this.nameOf(message.who)}: ${message.reason}`
      case 'farewell':
        return 'farewell'
      default:
        return message satisfies never
    }
  }

  #round({ id, steps, shard, position, base }: Assignment): string {
    return `${id}: ${steps} steps from ${position} on shard ${shard}, from version ${base}`
  }

  #report({ report }: EffectOf<'report'>): string {
    switch (report.type) {
      case 'refused':
        return `refuse ${report.what}${report.from === null ? '' : ` from ${report.from}`}: ${report.reason}`
      case 'warning':
        return `warn: ${report.message}`
      case 'deposed':
        return `lead no more: ${report.reason}`
      default:
        return `report ${report.type}`
    }
  }
}

const short = (hash: string): string => hash.slice(0, 8)

const topicOf = (topic: Topic): string =>
  'cluster' in topic ? `${topic.kind} of ${topic.cluster}` : topic.kind

const namedBy = (entry: OuterBody): string =>
  entry.kind === 'apply' ? entry.assignment : `version ${entry.round.base} of the swarm above`
