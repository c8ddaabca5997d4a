// A run as text: one line per event, its effects below it; what is routine is left out unless asked for.
import type { Effect, PeerEvent } from '../core/events.js'
import type { PeerId } from '../core/ids.js'
import type { Message } from '../core/messages.js'
import type { TraceLine } from './swarm.js'
import { Words } from './words.js'

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

/** Timers and messages that come and go all the time, and say nothing by themselves. */
const routineTimers: readonly string[] = [
  'heartbeat',
  'rejoin',
  'reoffer',
  'gather',
  'time-limit',
  'farewell',
]

function isRoutine(effect: Effect): boolean {
  switch (effect.type) {
    case 'send':
      return isRoutineMessage(effect.message)
    case 'set-timer':
      // With every sign of the leader the wait for it begins again; what is soon due is worth a line.
      return routineTimers.includes(effect.name) || (effect.name === 'election' && effect.afterMs > 1_000)
    case 'cancel-timer':
      return effect.name === 'election' || routineTimers.includes(effect.name)
    // Says that what was written before is durable, which was said before.
    case 'persist':
      return effect.hard === null && effect.entries.length === 0
    // Reports say of the other effects what a reader sees already.
    case 'report':
      return !['refused', 'warning', 'deposed'].includes(effect.report.type)
    case 'call':
    case 'place':
      return true
    default:
      return false
  }
}

function isRoutineMessage(message: Message): boolean {
  if (message.type === 'append') return message.entries.length === 0
  return message.type === 'heartbeat' || message.type === 'pulse'
}

function isRoutineEvent(event: PeerEvent): boolean {
  switch (event.type) {
    case 'timer':
    case 'stepped':
    case 'connected':
    case 'disconnected':
    case 'persisted':
    case 'contribution-published':
      return true
    case 'message':
      return [
        'heartbeat',
        'pulse',
        'version',
        'entries',
        'farewell',
        'append',
        'appended',
        'redirect',
      ].includes(event.message.type)
    default:
      return false
  }
}
