// What the records say about the swarm so far: a pure fold from events to the state every view shows.
import type { RunRecord } from '../faults/records.js'
import { presets } from '../model/config.js'
import { type RunConfig, runSchema } from '../swarmfile/schema.js'
import { type LossPoint, withPoint } from './loss-curve.js'

export interface PeerState {
  readonly name: string
  readonly cluster: string | null
  readonly replica: boolean
  readonly leader: boolean
  /** What it does now, in one word; `absent` before it joined, `left` after. */
  readonly phase: string
  readonly version: number | null
  readonly step: number
  /** Local steps of its latest assignment. */
  readonly assigned: number | null
  /** Local steps per second, emulated slowdown included. */
  readonly speed: number | null
  /** Of its latest step, nats per token. */
  readonly loss: number | null
  /** Of its applied contributions: the latest, their sum and the largest. */
  readonly staleness: number | null
  readonly stalenessSum: number
  readonly stalenessMax: number
  readonly contributions: number
  /** Local steps whose result was applied. */
  readonly steps: number
  readonly bytesSent: number
  readonly bytesReceived: number
  /** Its own account, once it ended. */
  readonly account: Extract<RunRecord, { type: 'peer-finished' }> | null
}

export interface SwarmState {
  readonly name: string | null
  readonly run: string | null
  readonly config: RunConfig | null
  readonly parameters: number | null
  readonly resumed: boolean
  readonly startedMs: number | null
  readonly nowMs: number | null
  readonly peers: ReadonlyMap<string, PeerState>
  readonly version: number
  readonly term: number
  /** Who led, by term, oldest first; the latest of a long run. */
  readonly led: readonly { readonly term: number; readonly name: string }[]
  /** Empty until the leader has told. */
  readonly voters: readonly string[]
  /** The voters to be, while both sets have to agree. */
  readonly nextVoters: readonly string[] | null
  /** Made on purpose. */
  readonly faults: number
  readonly steps: number
  /** The latest versions counted, ascending: several peers report each. */
  readonly counted: readonly number[]
  readonly validation: readonly LossPoint[]
  readonly training: readonly LossPoint[]
  /** Versions after which this command was asked to stop, if fewer than the run's. */
  readonly stopAfter: number | null
  /** Where applying began under this view: what the pace is measured from. */
  readonly began: { readonly ms: number; readonly share: number } | null
  readonly checkpoint: string | null
  readonly sample: { readonly prompt: string; readonly text: string } | null
  readonly ticket: string | null
  readonly refusals: number
  readonly finished: Extract<RunRecord, { type: 'run-finished' }> | null
}

/** A swarm of which nothing was heard yet. `peers` are those known beforehand, with their clusters. */
export function unseenSwarm(
  peers: readonly { readonly name: string; readonly cluster: string }[] = [],
  stopAfter: number | null = null,
): SwarmState {
  return {
    name: null,
    run: null,
    config: null,
    parameters: null,
    resumed: false,
    startedMs: null,
    nowMs: null,
    peers: new Map(peers.map(({ name, cluster }) => [name, { ...unseenPeer(name), cluster }])),
    version: 0,
    term: 0,
    led: [],
    voters: [],
    nextVoters: null,
    faults: 0,
    steps: 0,
    counted: [],
    validation: [],
    training: [],
    stopAfter,
    began: null,
    checkpoint: null,
    sample: null,
    ticket: null,
    refusals: 0,
    finished: null,
  }
}

const unseenPeer = (name: string): PeerState => ({
  name,
  cluster: null,
  replica: false,
  leader: false,
  phase: 'absent',
  version: null,
  step: 0,
  assigned: null,
  speed: null,
  loss: null,
  staleness: null,
  stalenessSum: 0,
  stalenessMax: 0,
  contributions: 0,
  steps: 0,
  bytesSent: 0,
  bytesReceived: 0,
  account: null,
})

/** The state after one more record. Several peers may report the same fact; it counts once. */
export function afterRecord(before: SwarmState, record: RunRecord): SwarmState {
  return record.swarm === undefined ? afterRunRecord(before, record) : afterClusterRecord(before, record)
}

/** Of the own swarm of a cluster only the work of its peers is shown beside the run's. */
function afterClusterRecord(before: SwarmState, record: RunRecord): SwarmState {
  const { nowMs, peers, refusals } = afterRunRecord(before, record)
  switch (record.type) {
    case 'leader':
    case 'deposed':
    case 'voters':
    case 'validated':
    case 'run-finished':
      return { ...before, nowMs }
    default:
      return { ...before, nowMs, peers, refusals }
  }
}

function afterRunRecord(before: SwarmState, record: RunRecord): SwarmState {
  const ms = Date.parse(record.time)
  const state = { ...before, startedMs: before.startedMs ?? ms, nowMs: Math.max(before.nowMs ?? ms, ms) }
  const own = (change: Partial<PeerState>) => withPeer(state, record.peer, change)
  switch (record.type) {
    case 'run-started':
      return {
        ...own({ phase: 'starting', ...(record.cluster !== undefined && { cluster: record.cluster }) }),
        name: record.name,
        run: record.run,
        config: runSchema.safeParse(record.config).data ?? state.config,
        parameters: record.parameters,
        resumed: state.resumed || record.resumed,
      }
    case 'listening':
      return { ...own({ phase: 'listening' }), ticket: state.ticket ?? record.ticket }
    case 'engine':
      return own({ speed: record.stepsPerSecond })
    case 'joined':
      return withPeer(state, record.name, {
        cluster: record.cluster,
        replica: record.replica,
        ...(isPresent(state, record.name) ? {} : { phase: 'joined' }),
      })
    case 'left':
      return withPeer(state, record.name, { phase: 'left', leader: false })
    case 'leader':
      return record.term < state.term ? state : withLeader(state, record.term, record.leader)
    case 'deposed':
      return record.term < state.term ? state : own({ leader: false })
    case 'voters':
      return { ...state, voters: record.voters, nextVoters: record.next }
    case 'fault':
      return { ...(record.what === 'kill' ? own({ phase: 'killed' }) : state), faults: state.faults + 1 }
    case 'recovered':
      return { ...state, voters: record.voters, nextVoters: null }
    case 'assigned':
      return withPeer(state, record.worker, {
        assigned: record.steps,
        step: 0,
        version: record.version,
        phase: 'assigned',
        ...(record.speed === null ? {} : { speed: record.speed }),
      })
    case 'step-loss':
      return own({ phase: 'training', step: record.step, assigned: record.steps, loss: record.loss })
    case 'contributed':
      return own({ phase: 'offering' })
    case 'applied':
      return applied(state, record, ms)
    case 'digest':
      return own({ version: record.version })
    case 'validated':
      return { ...state, validation: withPoint(state.validation, record) }
    case 'checkpoint':
      return { ...state, checkpoint: record.path }
    case 'sample':
      return { ...state, sample: { prompt: record.prompt, text: record.text } }
    case 'refused':
      return { ...state, refusals: state.refusals + 1 }
    case 'status':
      return own({
        phase: record.phase,
        version: record.version,
        step: record.step,
        assigned: record.steps > 0 ? record.steps : (state.peers.get(record.peer)?.assigned ?? null),
        bytesSent: record.bytesSent,
        bytesReceived: record.bytesReceived,
        ...(record.speed === null ? {} : { speed: record.speed }),
      })
    case 'transfer':
      return own({ phase: `fetching ${Math.floor((100 * record.bytes) / Math.max(1, record.total))} %` })
    case 'peer-finished':
      return own({
        phase: 'ended',
        account: record,
        bytesSent: sum(record.bytesSent),
        bytesReceived: sum(record.bytesReceived),
      })
    case 'run-finished':
      return { ...state, finished: record, version: Math.max(state.version, record.versions) }
    case 'called':
    case 'corpus':
    case 'reported':
    case 'merged':
    case 'catching-up':
    case 'codec-chosen':
    case 'expired':
    case 'warning':
      return state
    default:
      // A record of a newer peer: shown by no view, but no reason to stop.
      return ((_: never) => state)(record)
  }
}

function withPeer(state: SwarmState, name: string, change: Partial<PeerState>): SwarmState {
  const peers = new Map(state.peers)
  peers.set(name, { ...(state.peers.get(name) ?? unseenPeer(name)), ...change })
  return { ...state, peers }
}

// More than a summary names; a run of months may have many more.
const LED_TERMS = 64

const isPresent = (state: SwarmState, name: string): boolean =>
  !['absent', 'left'].includes(state.peers.get(name)?.phase ?? 'absent')

function withLeader(state: SwarmState, term: number, name: string): SwarmState {
  const peers = new Map(
    [...state.peers].map(([key, peer]) => [key, { ...peer, leader: false }] as [string, PeerState]),
  )
  const known = state.led.some((one) => one.term === term)
  const led = known ? state.led : [...state.led, { term, name }].slice(-LED_TERMS)
  return withPeer({ ...state, peers, term, led }, name, { leader: true, replica: true })
}

function applied(state: SwarmState, record: Extract<RunRecord, { type: 'applied' }>, ms: number): SwarmState {
  const counted = withVersion(state.counted, record.version)
  if (counted === null) return state
  const worker = state.peers.get(record.worker) ?? unseenPeer(record.worker)
  const next = withPeer(state, record.worker, {
    staleness: record.staleness,
    stalenessSum: worker.stalenessSum + record.staleness,
    stalenessMax: Math.max(worker.stalenessMax, record.staleness),
    contributions: worker.contributions + 1,
    steps: worker.steps + record.steps,
    speed: record.speed,
  })
  const after: SwarmState = {
    ...next,
    counted,
    version: Math.max(state.version, record.version),
    steps: state.steps + record.steps,
    training: withPoint(state.training, record),
  }
  return { ...after, began: state.began ?? { ms, share: shareDone(after) ?? 0 } }
}

// Reports of one version lie seconds apart at most; that many versions back none is still on its way.
const COUNTED = 64

/** The counted versions with one more; null if it was counted before. */
function withVersion(counted: readonly number[], version: number): readonly number[] | null {
  if (counted.includes(version) || (counted.length === COUNTED && version < counted[0])) return null
  return [...counted, version].sort((a, b) => a - b).slice(-COUNTED)
}

/** What is kept of the records of earlier sessions when a run is resumed: its curves and counts, not its clock. */
export function beforeResuming(state: SwarmState): SwarmState {
  const peers = new Map([...state.peers].map(([name, peer]) => [name, { ...peer, phase: 'absent' }]))
  return { ...state, peers, startedMs: null, nowMs: null, began: null }
}

const sum = (parts: Readonly<Record<string, number>>): number =>
  Object.values(parts).reduce((total, part) => total + part, 0)

/** One stop rule and how far it is met; `share` null where no straight line leads there. */
export interface Progress {
  readonly done: number
  readonly target: number
  readonly unit: 'versions' | 'steps' | 'tokens' | 'minutes' | 'nats'
  readonly share: number | null
}

/** The stop rule that will be met first, as far as can be told. */
export function progressOf(state: SwarmState): Progress | null {
  const stop = state.config?.stop ?? {}
  const versions = Math.min(
    stop.versions ?? Number.POSITIVE_INFINITY,
    state.stopAfter ?? Number.POSITIVE_INFINITY,
  )
  const minutes = ((state.nowMs ?? 0) - (state.startedMs ?? 0)) / 60_000
  const rules = [
    ...(Number.isFinite(versions) ? [rule(state.version, versions, 'versions')] : []),
    ...(stop.steps === undefined ? [] : [rule(state.steps, stop.steps, 'steps')]),
    ...(stop.tokens === undefined ? [] : [rule(state.steps * tokensPerStep(state), stop.tokens, 'tokens')]),
    ...(stop.minutes === undefined ? [] : [rule(minutes, stop.minutes, 'minutes')]),
  ]
  const first = rules.toSorted((a, b) => (b.share ?? 0) - (a.share ?? 0))[0]
  if (first !== undefined) return first
  const latest = state.validation.at(-1)
  if (stop.loss === undefined || latest === undefined) return null
  return { done: latest.loss, target: stop.loss, unit: 'nats', share: null }
}

/** Batch x sequence length of the run's configuration. */
function tokensPerStep({ config }: SwarmState): number {
  if (config === null) return 0
  return config.inner.batch * (config.model.context ?? presets[config.model.preset].context)
}

const rule = (done: number, target: number, unit: Progress['unit']): Progress => ({
  done,
  target,
  unit,
  share: Math.min(1, done / target),
})

const shareDone = (state: SwarmState): number | null => progressOf(state)?.share ?? null

/** Time left at the pace since applying began; null while it cannot be told. */
export function remainingMs(state: SwarmState): number | null {
  const share = shareDone(state)
  if (share === null || state.began === null || state.nowMs === null) return null
  const gained = share - state.began.share
  if (gained <= 0) return null
  return ((state.nowMs - state.began.ms) * (1 - share)) / gained
}
