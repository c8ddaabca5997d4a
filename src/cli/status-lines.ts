// The status of a run for people.
import { bytes, clean, cut, duration } from '../observe/format.js'
import { type Column, tableLines } from '../observe/table.js'
import type { ClusterReport, KnownPeer, StatusReport, SwarmReport } from './status-report.js'

/** A status is written once a second: an older one of a peer that runs shows that it hangs. */
const FRESH_SECONDS = 5

/** @param width columns of the table; lines of text may be longer */
export function statusLines(report: StatusReport, width: number): string[] {
  const { from, run, epoch, version, committed, refusals, revoked, clusters, peers } = report
  const here = peers.some(({ up }) => up)
  const refused = Object.entries(refusals).map(([what, count]) => `${clean(what)} ${count}`)
  const facts = [
    ['leader', leaderText(report, here)],
    ...voterFacts(report, 'the run'),
    ['version', `${version}; ${committed} entries of the ledger are committed`],
    ...(epoch === 0 ? [] : [['recovered', `${epoch === 1 ? 'once' : `${epoch} times`} by force`]]),
    ...headFacts(report),
    ...revoked.map(({ who, reason }) => ['shut out', `${clean(who)}: ${clean(reason)}`]),
    ...(refused.length === 0 ? [] : [['refused', refused.join(', ')]]),
  ]
  return [
    `run ${run.slice(0, 8)}, as told by ${clean(from)}`,
    ...(clusters.length === 0 ? [] : ['swarm above the clusters']),
    ...facts.map(factLine),
    ...clusters.flatMap((cluster) => [`cluster ${clean(cluster.cluster)}`, ...clusterLines(cluster, peers)]),
    '',
    ...tableLines(peers, clusters.length === 0 ? columns : columnsWithAbove, width),
    ...remarks(peers),
  ]
}

const factLine = ([label, value]: string[]): string => `  ${label.padEnd(12)}${value}`

/** Of the own swarm of a cluster, and of what it has to do with the one above. */
function clusterLines(report: ClusterReport, peers: readonly KnownPeer[]): string[] {
  const { cluster, asked, epoch, version, committed, account, parent } = report
  const here = peers.some((peer) => peer.up && peer.cluster === cluster)
  const ownSwarm = [
    ['leader', leaderText(report, here)],
    ...voterFacts(report, 'the cluster'),
    ['version', `${version}; ${committed} entries of its ledger are committed`],
    ...(epoch === 0 ? [] : [['recovered', `${epoch === 1 ? 'once' : `${epoch} times`} by force`]]),
  ]
  return [
    ...(asked ? ownSwarm : [['leader', 'nobody of this cluster was asked']]),
    ...(account === null ? [] : [['reports', accountText(account)]]),
    ...(parent === null ? [] : [['above', parentText(parent)]]),
  ].map(factLine)
}

function accountText({ speaker, present, reports, contributions, reported, given }: Account): string {
  const latest = reported === null ? '' : `, the latest made version ${reported}`
  const spoken = speaker === null ? 'nobody has spoken for it' : `${clean(speaker.name)} speaks for it`
  const round = given === null ? 'between rounds' : `at a round from version ${given}`
  const applied = `${reports} applied above, of ${contributions} contributions${latest}`
  return `${applied}; ${present ? `${spoken}, ${round}` : 'the swarm above has let it go'}`
}

type Account = NonNullable<ClusterReport['account']>

function parentText({ merged, collected, wanted, reporting }: NonNullable<ClusterReport['parent']>): string {
  const next = `${collected} of ${wanted} contributions are in for the next report`
  return `took in version ${merged} last; ${next}${reporting ? ', one is on its way' : ''}`
}

function leaderText({ leader, term, leads }: SwarmReport, here: boolean): string {
  if (!here)
    return leader === null
      ? 'nobody runs'
      : `nobody runs; ${clean(leader)} led term ${term} when it was last seen`
  if (leader === null) return `nobody leads; the latest term is ${term}`
  return `${clean(leader)} leads term ${term}${leads === null ? '' : ` (${clean(leads)})`}`
}

function voterFacts({ voters, next, tolerance, canGoOn, ifLost }: SwarmReport, subject: string): string[][] {
  if (voters === null)
    return [['voters', 'this peer keeps no ledger and does not know who votes; ask a replica']]
  const names = (set: readonly string[]) => set.map(clean).join(', ')
  return [
    ['voters', `${names(voters)}: ${tolerance ?? ''}`],
    ...(next === null ? [] : [['to be', `${names(next)}, as soon as both sets have agreed`]]),
    ...(canGoOn === false ? [['', `no majority of the voters is there: ${subject} stands still`]] : []),
    ...(canGoOn === true ? ifLost.map(({ name, what }) => ['', `if ${clean(name)} died: ${what}`]) : []),
  ]
}

const ways = {
  public: 'at a public address',
  relayed: 'by relay',
  lan: 'on the same network',
  none: '',
} as const

/** Who of each cluster others can reach; where there is one cluster, nobody else wants to. */
function headFacts({ heads }: StatusReport): string[][] {
  if (heads.length < 2) return []
  return heads.map(({ cluster, head, by }) => [
    'head',
    head === null
      ? `${clean(cluster)} has none: no member can be reached from other networks; start one with --relay, --upnp or --announce`
      : `${clean(cluster)} is reached through ${clean(head)}, ${ways[by]}`,
  ])
}

const columns: readonly Column<KnownPeer>[] = [
  { title: 'peer', align: 'left', spare: 0, text: ({ name }) => cut(clean(name), 20) },
  { title: 'cluster', align: 'left', spare: 2, text: ({ cluster }) => cut(clean(cluster), 16) },
  { title: 'role', align: 'left', spare: 0, text: ({ role }) => role },
  { title: 'doing', align: 'left', spare: 0, text: doing },
  { title: 'term', align: 'right', spare: 3, text: ({ own }) => String(own?.term ?? '') },
  { title: 'version', align: 'right', spare: 1, text: ({ own }) => String(own?.version ?? '') },
  { title: 'entries', align: 'right', spare: 4, text: ({ own }) => String(own?.committed ?? '') },
  { title: 'path', align: 'left', spare: 5, text: ({ path }) => path?.kind ?? '' },
  { title: 'there and back', align: 'right', spare: 6, text: ({ path }) => milliseconds(path?.roundTripMs) },
  { title: 'best second', align: 'right', spare: 7, text: ({ path }) => perSecond(path?.bytesPerSecond) },
  { title: 'told', align: 'right', spare: 0, text: told },
]

const columnsWithAbove = columns.toSpliced(3, 0, {
  title: 'above',
  align: 'left',
  spare: 0,
  text: ({ above }) => above ?? '',
})

function doing({ up, own }: KnownPeer): string {
  if (!up) return own === null ? 'gone' : 'not running'
  return own === null ? 'there' : clean(own.phase)
}

const milliseconds = (ms: number | null | undefined): string => (ms == null ? '' : `${ms} ms`)

const perSecond = (count: number | null | undefined): string => (count == null ? '' : `${bytes(count)}/s`)

function told({ ageSeconds }: KnownPeer): string {
  return ageSeconds === null ? 'by others' : `${duration(ageSeconds * 1000)} ago`
}

function remarks(peers: readonly KnownPeer[]): string[] {
  const stopped = peers.filter(({ up, own }) => !up && own !== null)
  const silent = peers.filter(({ up, ageSeconds }) => up && ageSeconds !== null && ageSeconds > FRESH_SECONDS)
  const names = (some: readonly KnownPeer[]) => some.map(({ name }) => clean(name)).join(', ')
  return [
    ...(stopped.length === 0
      ? []
      : [`not running: ${names(stopped)}; what is shown of them is what they wrote last`]),
    ...(silent.length === 0 ? [] : [`running, but silent for some time: ${names(silent)}`]),
  ]
}
