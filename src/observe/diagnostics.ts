// The diagnostic log of one peer process: JSON lines on stderr for whoever looks for a fault.
import pino from 'pino'
import type { EventRecord } from '../core/reports.js'

export type DiagnosticLevel = 'debug' | 'warn' | 'silent'

/** Logs records of this peer: all of them at `debug`, only what went wrong at `warn`. Never for the user's eyes alone. */
export function diagnosticLog(peer: string, level: DiagnosticLevel): (record: EventRecord) => void {
  // Synchronous: the last words before a crash are the ones that matter.
  const log = pino({ level, base: { peer, pid: process.pid } }, pino.destination({ fd: 2, sync: true }))
  return (record) => {
    const { type, peer: _, ...fields } = record
    if (type === 'warning' || type === 'refused') log.warn(fields, type)
    else log.debug(fields, type)
  }
}
