// What a run came to, printed once at its end.
import {
  bytes,
  clean,
  cleanLines,
  count,
  cut,
  duration,
  loss,
  percent,
  perplexity,
  perplexityOf,
} from './format.js'
import type { PeerState, SwarmState } from './swarm-view.js'
import { type Column, tableLines } from './table.js'
import type { Colors } from './view.js'

/** Named in the summary; more only fill the screen. */
const MOST_LEADERS = 6

export interface SummaryOptions {
  readonly columns: number
  readonly colors: Colors
  readonly folder: string
  /** Why the peer ended that this view watched, where it is not the one that sums the run up. */
  readonly ended?: string
  /** Commands worth giving next, ready to copy. */
  readonly next: readonly string[]
}

/** The summary as lines. Works for a run cut short as well: what is not known is left out. */
export function summaryLines(state: SwarmState, options: SummaryOptions): string[] {
  const { columns, colors, folder, next } = options
  const facts = [
    ...lossFacts(state, colors),
    ...runFacts(state),
    ...trafficFacts(state),
    ['run folder', folder],
    ...(state.checkpoint === null ? [] : [['checkpoint', clean(state.checkpoint)]]),
  ]
  const reason = state.finished?.reason ?? options.ended
  const title = reason === undefined ? 'stopped' : `finished: ${clean(reason)}`
  const [header, ...peers] = tableLines(summaryPeers(state), columnsOfPeers, columns)
  return [
    '',
    colors.bold(`${clean(state.name ?? 'run')} ${title}`),
    ...facts.map(([label, value]) => `  ${label.padEnd(18)}${value}`),
    '',
    ...(peers.length === 0 ? [] : [colors.dim(header), ...peers, '']),
    ...sampleLines(state, columns, colors),
    ...next.flatMap((command, at) => [`${at === 0 ? 'next:' : '     '} ${command}`]),
  ]
}

function lossFacts(state: SwarmState, colors: Colors): string[][] {
  const before = state.validation[0]?.loss ?? state.finished?.lossBefore ?? null
  const after = state.finished?.loss ?? state.validation.at(-1)?.loss ?? null
  if (after === null) return []
  if (before === null || (state.validation.length < 2 && state.finished === null))
    return [
      ['validation loss', `${loss(after)} nats per token`],
      ['perplexity', perplexity(perplexityOf(after))],
    ]
  return [
    ['validation loss', `${loss(before)} -> ${colors.green(loss(after))} nats per token`],
    ['perplexity', `${perplexity(perplexityOf(before))} -> ${perplexity(perplexityOf(after))}`],
  ]
}

function runFacts(state: SwarmState): string[][] {
  const end = state.finished
  const seconds = end?.seconds ?? ((state.nowMs ?? 0) - (state.startedMs ?? 0)) / 1000
  const applied = [...state.peers.values()].reduce((sum, peer) => sum + peer.contributions, 0)
  const mean =
    end?.meanStaleness ??
    ratio(
      total(state, (peer) => peer.stalenessSum),
      applied,
    )
  const most = end?.maxStaleness ?? Math.max(0, ...[...state.peers.values()].map((peer) => peer.stalenessMax))
  const tokens = end === null ? '' : `, ${count(end.tokens)} tokens`
  if (end === null && applied === 0) {
    // A worker's own view: the leader alone knows what became of its contributions.
    const steps = total(state, ({ account }) => account?.steps ?? 0)
    return [['local steps', `${steps} in ${duration(seconds * 1000)}`]]
  }
  return [
    ['versions', `${end?.versions ?? state.version} in ${duration(seconds * 1000)}`],
    ['local steps', `${end?.steps ?? state.steps}${tokens}`],
    ...(mean === null ? [] : [['staleness', `mean ${mean.toFixed(2)}, largest ${most}`]]),
    ...leaderFacts(state),
    ...(state.refusals === 0 ? [] : [['refused', `${state.refusals} (reasons in events.jsonl)`]]),
  ]
}

/** Worth a line where more than one term was led, or faults were made. */
function leaderFacts({ led, faults }: SwarmState): string[][] {
  const names = led.map(({ name, term }) => `${clean(name)} (term ${term})`)
  const latest = names.length > MOST_LEADERS ? ['...', ...names.slice(-MOST_LEADERS)] : names
  return [
    ...(led.length < 2 ? [] : [['leaders', `${led.length}: ${latest.join(', ')}`]]),
    ...(faults === 0 ? [] : [['faults made', String(faults)]]),
  ]
}

const total = (state: SwarmState, of: (peer: PeerState) => number): number =>
  [...state.peers.values()].reduce((sum, peer) => sum + of(peer), 0)
const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole)

function trafficFacts(state: SwarmState): string[][] {
  const accounts = [...state.peers.values()].flatMap((peer) => (peer.account === null ? [] : [peer.account]))
  const purposes = state.finished?.bytes ?? merged(accounts.map((account) => account.bytesSent))
  const parts = Object.entries(purposes).filter(([, amount]) => amount > 0)
  if (parts.length === 0) return []
  const all = parts.reduce((sum, [, amount]) => sum + amount, 0)
  const by = parts.map(([purpose, amount]) => `${clean(purpose)} ${bytes(amount)}`).join(', ')
  const between =
    state.finished?.interClusterBytes ?? accounts.reduce((sum, account) => sum + account.interClusterBytes, 0)
  return [
    ['bytes sent', `${bytes(all)} (${by})`],
    ['between clusters', bytes(between)],
  ]
}

function merged(parts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const part of parts)
    for (const [purpose, amount] of Object.entries(part)) sums[purpose] = (sums[purpose] ?? 0) + amount
  return sums
}

interface PeerRow extends PeerState {
  readonly utilisation: number | null
}

/** Peers that took part; their share of time from their own account or, failing that, the run's. */
function summaryPeers(state: SwarmState): readonly PeerRow[] {
  return [...state.peers.values()]
    .filter((peer) => peer.phase !== 'absent' || peer.contributions > 0)
    .map((peer) => ({
      ...peer,
      utilisation: peer.account?.utilisation ?? state.finished?.utilisation[peer.name] ?? null,
    }))
}

const columnsOfPeers: readonly Column<PeerRow>[] = [
  { title: 'peer', align: 'left', spare: 0, text: (peer) => cut(clean(peer.name), 14) },
  { title: 'cluster', align: 'left', spare: 2, text: (peer) => cut(clean(peer.cluster ?? '?'), 12) },
  { title: 'rounds', align: 'right', spare: 3, text: (peer) => String(peer.contributions) },
  { title: 'steps', align: 'right', spare: 0, text: (peer) => String(peer.steps) },
  { title: 'step/s', align: 'right', spare: 0, text: (peer) => peer.speed?.toFixed(2) ?? '' },
  {
    title: 'stale',
    align: 'right',
    spare: 2,
    text: (peer) => ratio(peer.stalenessSum, peer.contributions)?.toFixed(2) ?? '',
  },
  {
    title: 'training',
    align: 'right',
    spare: 0,
    text: (peer) => (peer.utilisation === null ? '' : percent(peer.utilisation)),
  },
  {
    title: 'emulated',
    align: 'right',
    spare: 1,
    text: (peer) => (peer.account === null ? '' : percent(peer.account.emulated)),
  },
  {
    title: 'loop p99',
    align: 'right',
    spare: 1,
    text: (peer) => (peer.account === null ? '' : `${peer.account.eventLoopP99Ms.toFixed(1)} ms`),
  },
  { title: 'sent', align: 'right', spare: 2, text: (peer) => bytes(peer.bytesSent) },
]

/** The sample with its prompt in brackets: only what follows is the model's own. */
function sampleLines(state: SwarmState, columns: number, colors: Colors): string[] {
  if (state.sample === null) return []
  const text = cleanLines(`[${state.sample.prompt}]${state.sample.text}`)
  const lines = text.split('\n').flatMap((line) => folded(line, columns - 2))
  return [
    colors.dim('sample, after the prompt in brackets'),
    ...lines.map((line) => `  ${line}`.trimEnd()),
    '',
  ]
}

function folded(line: string, columns: number): string[] {
  const characters = [...line]
  const pieces: string[] = []
  for (let at = 0; at < Math.max(characters.length, 1); at += columns)
    pieces.push(characters.slice(at, at + columns).join(''))
  return pieces
}
