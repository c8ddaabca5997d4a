// peers/hierarchy.yaml on networks of its own: three clusters with a router between them, and the loss of whoever speaks
// for one of them, or leads them all, at the worst moments.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { readSwarmFile } from '../../../src/cli/swarm-source.js'
import type { RecordOf } from '../../../src/faults/records.js'
import type { Host } from './bed.js'
import { flockOn, onBed } from './on-bed.js'

const file = fileURLToPath(new URL('../../../../peers/hierarchy.yaml', import.meta.url))
const { peers, clusters, run } = readSwarmFile(file, [])
const contributionsOfReport = run.hierarchy?.contributions ?? assert.fail('it is no hierarchy')
/** Of a cluster's way to the others: a report of 34,000 parameters takes half a second. */
const WAY_MBIT = 2
/** Nine peers share the cores of one machine: none of them trains all the time. */
const SLOWDOWN = 4
/** More than are made while somebody is lost. */
const VERSIONS = 100_000

type Applied = RecordOf<'applied'>

describe('The three clusters of peers/hierarchy.yaml', function () {
  this.timeout(400_000)
  const bed = onBed()
  const flock = flockOn(bed)
  const hosts = new Map<string, Host>()

  it('survive the loss of a leader before it sends, with its report in flight, before it merges, and of the leader of all', async () => {
    await settled()
    const beganMs = performance.now()
    const told = (what: string) =>
      console.log(`      ${((performance.now() - beganMs) / 1000).toFixed(1)} s: ${what}`)

    const [first, second] = farClusters()
    told(await lostBeforeSending(first))
    told(await lostInFlight(second))
    told(await lostBeforeMerging(first))
    told(await globalLeaderLost())
    flock().assertKept()
  })

  /** All nine are there, and every cluster and the swarm above can bear the loss of one. */
  async function settled(): Promise<void> {
    for (const [i, { name }] of clusters.entries()) bed().network(name, `10.0.${i + 1}`)
    const ends = bed().router(
      'router',
      clusters.map(({ name }) => name),
    )
    for (const end of ends) bed().rate(end, WAY_MBIT)
    for (const [i, { name, cluster }] of peers.entries()) hosts.set(name, bed().host(name, cluster, 10 + i))
    const [founder, ...others] = peers
    start(founder.name)
    const ticket = await flock().ticketOf(founder.name)
    for (const { name } of others) start(name, '--ticket', ticket)
    await Promise.all([undefined, ...clusters.map(({ name }) => name)].map(hasThreeVoters))
  }

  const hasThreeVoters = (swarm: string | undefined) =>
    flock().next(
      'voters',
      (record) => record.swarm === swarm && record.voters.length === 3 && record.next === null,
    )

  function start(name: string, ...args: string[]): void {
    const at = peers.findIndex((peer) => peer.name === name)
    const set = [
      `peers.${at}.listen=[/ip4/0.0.0.0/tcp/4001]`,
      `peers.${at}.slowdown=${SLOWDOWN}`,
      `run.stop.versions=${VERSIONS}`,
    ]
    const settings = set.flatMap((text) => ['--set', text])
    flock().start(hosts.get(name) as Host, name, ['peer', file, ...settings, ...args])
  }

  async function lostBeforeSending(cluster: string): Promise<string> {
    const round = await atLastContribution(cluster)
    const lost = leaderOf(cluster)
    await flock().kill(lost)
    const since = flock().records.length
    assert.deepEqual(reportsOf(round), [], 'the moment was hit: nothing was sent')
    const successor = await successorOf(cluster, lost, since)
    const report = await flock().next('reported', (record) => record.round === round, since)
    assert.equal(report.swarm, cluster)
    assert(report.contributions >= contributionsOfReport)
    const applied = await appliedAbove(cluster, round)
    assert.equal(applied.steps, report.contributions)
    await back(lost, cluster)
    return `${lost} of ${cluster} was lost before it sent; ${successor.leader} reported`
  }

  async function lostInFlight(cluster: string): Promise<string> {
    const report = await flock().next('reported', ({ swarm }) => swarm === cluster, flock().records.length)
    const lost = leaderOf(cluster)
    await flock().kill(lost)
    const since = flock().records.length
    assert.deepEqual(applications(report.round), [], 'the moment was hit: it had not arrived')
    const successor = await successorOf(cluster, lost, since)
    const applied = await appliedAbove(cluster, report.round)
    assert(applied.time > successor.time, 'it came from the successor')
    assert.equal(applied.steps, report.contributions)
    await flock().next(
      'merged',
      (record) => record.swarm === cluster && record.peer === successor.leader,
      since,
    )
    assert.equal(new Set(applications(report.round).map(({ version }) => version)).size, 1)
    await back(lost, cluster)
    return `${lost} of ${cluster} was lost with its report in flight; ${successor.leader} sent it again`
  }

  async function lostBeforeMerging(cluster: string): Promise<string> {
    const applied = await flock().next(
      'applied',
      (record) => isAbove(record) && record.worker === cluster,
      flock().records.length,
    )
    const lost = leaderOf(cluster)
    await flock().kill(lost)
    const since = flock().records.length
    assert.equal(roundOf(cluster), applied.assignment, 'the moment was hit: it had not merged')
    const successor = await successorOf(cluster, lost, since)
    const merged = await flock().next('merged', (record) => record.swarm === cluster, since)
    assert.notEqual(merged.round, applied.assignment)
    assert((merged.above ?? 0) >= applied.version, 'it took in what became of its report')
    await appliedAbove(cluster, merged.round)
    await back(lost, cluster)
    return `${lost} of ${cluster} was lost before it merged; ${successor.leader} merged`
  }

  async function globalLeaderLost(): Promise<string> {
    const before = leaderAbove()
    await flock().kill(before.leader)
    const since = flock().records.length
    const { leader, term } = await flock().next(
      'leader',
      (record) => isAbove(record) && record.term > before.term,
      since,
    )
    assert.notEqual(leader, before.leader)
    const newest = Math.max(
      ...flock()
        .of('applied')
        .map((record) => (isAbove(record) ? record.version : 0)),
    )
    const goesOn = (cluster: string) =>
      flock().next(
        'applied',
        (record) =>
          isAbove(record) && record.worker === cluster && record.version > newest && record.term >= term,
      )
    await Promise.all(clusters.map(({ name }) => goesOn(name)))
    return `${before.leader}, which led above, was lost; ${leader} led on`
  }

  /** Those whose reports cross the router: whoever leads above leads another. */
  const farClusters = () =>
    clusters.map(({ name }) => name).filter((name) => leaderOf(name) !== leaderAbove().leader)

  /** One contribution is missing until the cluster reports. Returns the round above that it works on. */
  async function atLastContribution(cluster: string): Promise<string> {
    for (let since = flock().records.length; ; ) {
      const applied = await flock().next('applied', ({ swarm }) => swarm === cluster, since)
      since = flock().records.indexOf(applied) + 1
      const own = flock()
        .records.slice(0, since)
        .filter(({ swarm }) => swarm === cluster)
      const last = own.findLastIndex(({ type }) => type === 'reported')
      const after = own.slice(last + 1)
      const count = new Set(after.flatMap((record) => (record.type === 'applied' ? [record.version] : [])))
        .size
      if (after.some(({ type }) => type === 'merged') && count === contributionsOfReport - 1)
        return roundOf(cluster)
    }
  }

  /** It comes again, catches up, and holds the cluster's state as the others do. */
  async function back(name: string, cluster: string): Promise<void> {
    const since = flock().records.length
    start(name, '--resume')
    await flock().next(
      'digest',
      (record) => record.peer === name && record.swarm === cluster && record.stateDigest !== null,
      since,
    )
  }

  const isAbove = ({ swarm }: { readonly swarm?: string }) => swarm === undefined
  const successorOf = (cluster: string, lost: string, since: number) =>
    flock().next('leader', (record) => record.swarm === cluster && record.leader !== lost, since)
  const leaderOf = (cluster: string) => lastOf(cluster, flock().of('leader')).leader
  const leaderAbove = () => lastOf(undefined, flock().of('leader'))
  const roundOf = (cluster: string) => lastOf(cluster, flock().of('merged')).round
  const reportsOf = (round: string) =>
    flock()
      .of('reported')
      .filter((record) => record.round === round)
  const applications = (round: string) =>
    flock()
      .of('applied')
      .filter((record) => isAbove(record) && record.assignment === round)
  const appliedAbove = (cluster: string, round: string): Promise<Applied> =>
    flock().next(
      'applied',
      (record) => isAbove(record) && record.worker === cluster && record.assignment === round,
    )
})

const lastOf = <One extends { readonly swarm?: string }>(of: string | undefined, records: readonly One[]) =>
  records.findLast(({ swarm }) => swarm === of) ?? assert.fail('there is none')
