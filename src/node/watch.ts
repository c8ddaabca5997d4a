// Looks at a peer once a second: for live views, for other programs, and for its own next start.
import { replicasOf } from '../core/admission.js'
import { clusterHeads, headless } from '../core/heads.js'
import type { RunId } from '../core/ids.js'
import type { Address } from '../core/messages.js'
import { phaseOf } from '../core/pulse.js'
import type { Report } from '../core/reports.js'
import type { PeerState } from '../core/state.js'
import type { Traffic } from '../ports/mesh.js'
import type { PeerPath } from '../ports/paths.js'
import type { AboveStatus, PeerStatus } from '../ports/status.js'
import type { PeerPaths } from '../store/run-paths.js'
import { Contacts } from './contacts.js'
import { replaceFile } from './loose-file.js'
import { type Order, takeOrder } from './orders.js'
import { clusterOfPeer } from './speakers.js'
import { statusOf } from './status.js'

const everyMs = 1_000
/** How often a peer that nobody has taken in says so. */
const noticeTicks = 10
/** How long a cluster has to be without a head before that is told: its members find relays, and their paths, meanwhile. */
const headlessTicks = 30

export interface Watched {
  readonly paths: PeerPaths
  readonly run: RunId
  readonly state: () => PeerState
  /** Of each swarm that it is in. */
  readonly states: () => readonly PeerState[]
  /** Of the swarm above its cluster, if there is one; `leads` says why this peer leads there. */
  readonly above: (leads: string | null) => AboveStatus | null
  readonly traffic: () => Traffic
  /** The path to each connected peer. */
  readonly reached: () => readonly PeerPath[]
  readonly report: (report: Report) => void
  /** Called once a second. */
  readonly look: () => void
  /** What the user of this machine wants of the peer. */
  readonly order: (order: Order) => void
}

export class Watch {
  readonly #contacts: Contacts
  readonly #timer: NodeJS.Timeout
  /** Why this peer leads, or led last; and the same of the swarm above. */
  #leads: string | null = null
  #leadsAbove: string | null = null
  #ticksAlone = 0
  /** Clusters that others cannot reach, for how many ticks. */
  readonly #ticksHeadless = new Map<string, number>()

  constructor(private readonly watched: Watched) {
    this.#contacts = new Contacts(watched.paths.contacts)
    this.#timer = setInterval(() => this.#tick(), everyMs)
  }

  /** Hears the peer's reports. Who leads and who votes is told at once: whoever asks next wants to know. */
  heard(report: Report, isAbove: boolean): void {
    if (report.type === 'leader' && isAbove) this.#leadsAbove = report.reason
    else if (report.type === 'leader') this.#leads = report.reason
    if (report.type === 'leader' || report.type === 'voters') this.#keepFiles()
  }

  /** How things stand now. */
  status(): PeerStatus {
    const { run, state, above, reached } = this.watched
    const time = new Date().toISOString()
    return statusOf(state(), {
      run,
      pid: process.pid,
      time,
      leads: this.#leads,
      above: above(this.#leadsAbove),
      paths: reached(),
    })
  }

  close(): void {
    clearInterval(this.#timer)
    this.#keepFiles()
  }

  #tick(): void {
    const order = takeOrder(this.watched.paths.orders)
    if (order !== null) this.watched.order(order)
    this.watched.look()
    this.#keepFiles()
    this.watched.report(this.#report())
    this.#noticeIfAlone()
    this.#noticeHeadless()
  }

  #keepFiles(): void {
    const { paths, states } = this.watched
    this.#contacts.keep(states().flatMap(contactsOf))
    replaceFile(paths.status, JSON.stringify(this.status()))
  }

  #report(): Extract<Report, { type: 'status' }> {
    const state = this.watched.state()
    const { worker, replica } = state
    const { now: work, speed } = worker
    const { sent, received } = this.watched.traffic()
    return {
      type: 'status',
      phase: phaseOf(state),
      version: replica?.applied ?? 0,
      step: work.phase === 'training' ? work.step : 0,
      steps: work.phase === 'training' || work.phase === 'fetching' ? work.assignment.steps : 0,
      speed,
      bytesSent: total(sent),
      bytesReceived: total(received),
    }
  }

  #noticeIfAlone(): void {
    const { joined, lead, finishing, connected } = this.watched.state()
    if (joined || lead !== null || finishing !== null) {
      this.#ticksAlone = 0
      return
    }
    this.#ticksAlone++
    if (this.#ticksAlone % noticeTicks !== 0) return
    const there = connected.length === 1 ? 'one peer is' : `${connected.length} peers are`
    const message = `Still looking for the leader of the run; ${there} connected.`
    this.watched.report({ type: 'warning', message })
  }

  /** The leader tells once, and again after the cluster had a head in between. */
  #noticeHeadless(): void {
    const { lead } = this.watched.state()
    const without = lead === null ? [] : headless(clusterHeads(this.status()))
    for (const cluster of this.#ticksHeadless.keys())
      if (!without.includes(cluster)) this.#ticksHeadless.delete(cluster)
    for (const cluster of without) {
      const ticks = (this.#ticksHeadless.get(cluster) ?? 0) + 1
      this.#ticksHeadless.set(cluster, ticks)
      if (ticks !== headlessTicks) continue
      const message = `No member of cluster ${cluster} can be reached from other networks; start one of them with --relay, --upnp or --announce.`
      this.watched.report({ type: 'warning', message })
    }
  }
}

/** Where a peer that comes back finds the run. */
function contactsOf({ replica, replicas, setup }: PeerState): readonly Address[] {
  const known = replica === null ? replicas : replicasOf(replica.ledger)
  return known.filter(({ peer }) => peer !== setup.self.id && clusterOfPeer(peer) === null)
}

const total = (byPurpose: Readonly<Record<string, number>>): number =>
  Object.values(byPurpose).reduce((sum, bytes) => sum + bytes, 0)
