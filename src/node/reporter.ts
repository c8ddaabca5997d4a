// Stamps a peer's reports with time and name, and hands them to the event log and to whoever watches.
import type { EventRecord, Report } from '../core/reports.js'

export class Reporter {
  constructor(
    private readonly peer: string,
    private readonly sinks: readonly ((record: EventRecord) => void)[],
  ) {}

  readonly report = (report: Report): void => this.#write(report, {})

  /** Reports about the own swarm of a cluster. */
  of(swarm: string): (report: Report) => void {
    return (report) => this.#write(report, { swarm })
  }

  #write(report: Report, about: Pick<EventRecord, 'swarm'>): void {
    // Who joined or left is what the record is about, though the leader writes it.
    const peer = report.type === 'joined' || report.type === 'left' ? report.name : this.peer
    const record: EventRecord = { time: new Date().toISOString(), peer, ...about, ...report }
    for (const sink of this.sinks) sink(record)
  }

  warn(message: string): void {
    this.report({ type: 'warning', message })
  }
}
