// Composes one frame of the live view: text in, no terminal touched.
import { toleranceOf } from '../core/configuration.js'
import { lossChart } from './chart.js'
import { bytes, clean, count, cut, duration, loss, perplexity, perplexityOf } from './format.js'
import { type PeerState, type Progress, progressOf, remainingMs, type SwarmState } from './swarm-view.js'
import { type Column, tableLines } from './table.js'
import type { Colors } from './view.js'

export interface FrameSize {
  readonly columns: number
  readonly rows: number
}

// A chart taller than this shows no more; one lower than the least shows nothing.
const TALLEST_CHART = 10
const LOWEST_CHART = 5

/** The frame as lines, none wider than the columns and not more than the rows: the least important goes first. */
export function frameLines(
  state: SwarmState,
  notes: readonly string[],
  { columns, rows }: FrameSize,
  colors: Colors,
): string[] {
  const lead = leadLine(state)
  const head = [
    colors.bold(cut(title(state), columns)),
    cut(progressLine(state, columns), columns),
    ...(lead === null ? [] : [cut(lead, columns)]),
  ]
  const table = peerTable(state, columns, colors)
  const losses = lossLine(state, columns, colors)
  const tail = [
    ...notes.slice(-3).map((note) => colors.yellow(cut(clean(note), columns))),
    colors.dim(cut('Ctrl-C stops and saves', columns)),
  ]
  // Two blank lines set the table apart.
  const fixed = head.length + table.length + losses.length + tail.length + 2
  const chart =
    rows - fixed >= LOWEST_CHART
      ? lossChart(state, columns, Math.min(TALLEST_CHART, rows - fixed), colors.isColorSupported)
      : []
  if (fixed <= rows) return [...head, '', ...table, '', ...losses, ...chart, ...tail]
  return shortened(head, table, losses, rows, colors)
}

/** What still fits a very low terminal: the heading first, then the peers, then the losses. */
function shortened(
  head: readonly string[],
  table: readonly string[],
  losses: readonly string[],
  rows: number,
  colors: Colors,
): string[] {
  const all = [...head, ...losses, ...table]
  if (all.length <= rows) return all
  const hidden = all.length - rows + 1
  return rows < 2
    ? all.slice(1, 1 + rows)
    : [...all.slice(0, rows - 1), colors.dim(`and ${hidden} more ${hidden === 1 ? 'line' : 'lines'}`)]
}

function title(state: SwarmState): string {
  if (state.name === null) return 'skein: starting'
  const parts = [
    `skein: ${clean(state.name)}`,
    state.config?.model.preset,
    state.parameters === null ? undefined : `${count(state.parameters)} parameters`,
    state.run === null ? undefined : `run ${state.run.slice(0, 8)}`,
    state.resumed ? 'resumed' : undefined,
  ]
  return parts.filter((part) => part !== undefined).join(' · ')
}

function progressLine(state: SwarmState, columns: number): string {
  const gone = duration((state.nowMs ?? 0) - (state.startedMs ?? 0))
  const progress = progressOf(state)
  if (progress === null) return `version ${state.version}, ${gone} gone`
  const left = remainingMs(state)
  const times = `${gone} gone${left === null || state.finished !== null ? '' : `, about ${duration(left)} left`}`
  const words = `${progressText(progress)}, ${times}`
  const room = Math.min(20, columns - words.length - 3)
  return progress.share === null || room < 5 ? words : `${bar(progress.share, room)} ${words}`
}

/** Who leads and who votes, once there is more than one voter to speak of. */
function leadLine({ peers, term, voters, nextVoters }: SwarmState): string | null {
  if (voters.length === 0) return null
  const leader = [...peers.values()].find((peer) => peer.leader)
  const leads = leader === undefined ? 'nobody leads' : `${clean(leader.name)} leads term ${term}`
  const next = nextVoters === null ? '' : `, to be ${nextVoters.map(clean).join(', ')}`
  return `${leads}; voters ${voters.map(clean).join(', ')}${next}: ${toleranceOf(voters.length)}`
}

/** `version 12 of 48`. */
export function progressText({ done, target, unit }: Progress): string {
  switch (unit) {
    case 'versions':
      return `version ${done} of ${target}`
    case 'steps':
      return `step ${done} of ${target}`
    case 'tokens':
      return `${count(done)} of ${count(target)} tokens`
    case 'minutes':
      return `minute ${done.toFixed(1)} of ${target}`
    case 'nats':
      return `validation loss ${loss(done)}, to reach ${target}`
  }
}

function bar(share: number, length: number): string {
  const full = Math.round(share * length)
  return '█'.repeat(full) + '░'.repeat(length - full)
}

const peerColumns: readonly Column<PeerState>[] = [
  { title: 'peer', align: 'left', spare: 0, text: (peer) => cut(clean(peer.name), 14) },
  { title: 'cluster', align: 'left', spare: 3, text: (peer) => cut(clean(peer.cluster ?? '?'), 12) },
  { title: 'role', align: 'left', spare: 1, text: role },
  { title: 'doing', align: 'left', spare: 2, text: (peer) => clean(peer.phase) },
  { title: 'ver', align: 'right', spare: 1, text: (peer) => String(peer.version ?? '') },
  {
    title: 'steps',
    align: 'right',
    spare: 0,
    text: (peer) => (peer.assigned === null ? '' : `${peer.step}/${peer.assigned}`),
  },
  { title: 'loss', align: 'right', spare: 4, text: (peer) => (peer.loss === null ? '' : loss(peer.loss)) },
  { title: 'step/s', align: 'right', spare: 1, text: (peer) => peer.speed?.toFixed(2) ?? '' },
  { title: 'stale', align: 'right', spare: 2, text: (peer) => String(peer.staleness ?? '') },
  { title: 'sent', align: 'right', spare: 3, text: (peer) => bytes(peer.bytesSent) },
  { title: 'received', align: 'right', spare: 5, text: (peer) => bytes(peer.bytesReceived) },
]

function role(peer: PeerState): string {
  if (peer.leader) return 'leader'
  return peer.replica ? 'replica' : 'worker'
}

function peerTable(state: SwarmState, columns: number, colors: Colors): string[] {
  const peers = [...state.peers.values()]
  const [header, ...lines] = tableLines(peers, peerColumns, columns)
  return [colors.dim(header), ...lines.map((line, at) => tinted(line, peers[at], colors))]
}

function tinted(line: string, peer: PeerState, colors: Colors): string {
  if (['left', 'absent', 'killed'].includes(peer.phase)) return colors.dim(line)
  return peer.leader ? colors.bold(line) : line
}

function lossLine(state: SwarmState, columns: number, colors: Colors): string[] {
  const training = state.training.at(-1)
  const validation = state.validation.at(-1)
  const parts = [
    ...(training === undefined ? [] : [colors.cyan(`training ${loss(training.loss)}`)]),
    ...(validation === undefined
      ? []
      : [
          colors.green(
            `validation ${loss(validation.loss)} (perplexity ${perplexity(perplexityOf(validation.loss))})`,
          ),
        ]),
  ]
  // At 70 columns the longest form fits; below that the words alone must do.
  if (parts.length === 0) return [cut('loss: none measured yet', columns)]
  if (columns >= 70) return [`loss, nats per token: ${parts.join(', ')}`]
  const latest = validation ?? training
  return [cut(`loss ${latest === undefined ? '' : loss(latest.loss)}`, columns)]
}
