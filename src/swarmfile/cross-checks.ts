// What the schema cannot say about one key alone: names that must agree, sizes that must fit.
import type { Problem } from './issues.js'
import { runSchema } from './schema.js'

// The checks read the file as written, not as parsed, so that they also speak when single values are
// wrong; whatever has the wrong type is the schema's to complain about and is passed over here.
type Loose = Readonly<Record<string, unknown>>
const group = (value: unknown): Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : {}
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const names = (value: unknown): readonly unknown[] => list(value).map((entry) => group(entry).name)
const isText = (value: unknown): value is string => typeof value === 'string'

const defaults = runSchema.parse({})

/** Every disagreement between keys of the file. */
export function crossChecks(raw: unknown): readonly Problem[] {
  const file = group(raw)
  return [
    ...repeated('clusters', names(file.clusters)),
    ...repeated('peers', names(file.peers)),
    ...unknownClusters(file),
    ...links(file),
    ...sizes(file),
    ...validator(file),
    ...compression(file),
    ...hierarchy(file),
    ...fragments(file),
    ...stopRule(file),
    ...faults(file),
  ]
}

function repeated(key: string, found: readonly unknown[]): readonly Problem[] {
  return found.flatMap((name, at) => {
    const first = found.indexOf(name)
    if (!isText(name) || first === at) return []
    return [
      { path: [key, at, 'name'], text: `${key}.${at}.name ${name} is already the name of ${key}.${first}` },
    ]
  })
}

function unknownClusters(file: Loose): readonly Problem[] {
  const known = names(file.clusters)
  return list(file.peers).flatMap((peer, at) => {
    const cluster = group(peer).cluster
    if (!isText(cluster) || known.includes(cluster)) return []
    const text = `peers.${at}.cluster ${cluster} is not one of the clusters (${known.filter(isText).join(', ')})`
    return [{ path: ['peers', at, 'cluster'], text }]
  })
}

function links(file: Loose): readonly Problem[] {
  const known = names(file.clusters)
  const seen = new Map<string, number>()
  return list(file.links).flatMap((link, at) => {
    const ends = list(group(link).between)
    const path = ['links', at, 'between']
    if (ends.length !== 2 || !ends.every(isText)) return []
    const strangers = ends.filter((end) => !known.includes(end))
    if (strangers.length > 0)
      return strangers.map((end) => ({
        path,
        text: `links.${at}.between names ${end}, which is not one of the clusters (${known.filter(isText).join(', ')})`,
      }))
    if (ends[0] === ends[1])
      return [{ path, text: `links.${at}.between joins ${ends[0]} to itself; a link joins two clusters` }]
    const pair = [...ends].sort().join(' ')
    const first = seen.get(pair)
    seen.set(pair, first ?? at)
    if (first === undefined) return []
    return [{ path, text: `links.${at}.between joins the same clusters as links.${first}` }]
  })
}

function sizes(file: Loose): readonly Problem[] {
  const run = group(file.run)
  const peers = list(file.peers).length
  const problems: Problem[] = []
  // The default number of replicas means "as many as there are, up to it"; a number written down is meant.
  if (typeof run.replicas === 'number' && run.replicas > peers && peers > 0)
    problems.push({
      path: ['run', 'replicas'],
      text: `run.replicas is ${run.replicas}, but the file lists ${peers} ${peers === 1 ? 'peer' : 'peers'}`,
    })
  const shards = group(run.data).shards ?? defaults.data.shards
  if (typeof shards === 'number' && shards < peers)
    problems.push({
      path: ['run', 'data', 'shards'],
      text: `run.data.shards is ${shards}, but the file lists ${peers} peers; each needs a shard of its own`,
    })
  return problems
}

function validator(file: Loose): readonly Problem[] {
  const by = group(group(file.run).validation).by
  const known = names(file.peers)
  if (!isText(by) || known.includes(by)) return []
  const text = `run.validation.by ${by} is not one of the peers (${known.filter(isText).join(', ')})`
  return [{ path: ['run', 'validation', 'by'], text }]
}

function compression(file: Loose): readonly Problem[] {
  const { codec = defaults.compression.codec, density } = group(group(file.run).compression)
  if (density === undefined || !isText(codec) || codec === 'topk' || codec === 'auto') return []
  const text = `run.compression.density is for topk and auto, but run.compression.codec is ${codec}`
  return [{ path: ['run', 'compression', 'density'], text }]
}

/** Clusters as swarms of their own. */
function hierarchy(file: Loose): readonly Problem[] {
  const run = group(file.run)
  if (run.hierarchy === undefined) return []
  const path = ['run', 'hierarchy']
  const clusters = names(file.clusters).filter(isText)
  const problems: Problem[] = []
  if (clusters.length === 1)
    problems.push({ path, text: 'run.hierarchy is for two clusters or more; leave it out for one swarm' })
  for (const cluster of clusters)
    if (!list(file.peers).some((peer) => group(peer).cluster === cluster))
      problems.push({
        path,
        text: `run.hierarchy: no peer is in cluster ${cluster}; its first one founds its swarm`,
      })
  const shards = group(run.data).shards ?? defaults.data.shards
  if (typeof shards === 'number' && shards < clusters.length)
    problems.push({
      path: ['run', 'data', 'shards'],
      text: `run.data.shards is ${shards}, but ${clusters.length} clusters share them out`,
    })
  for (const rule of ['steps', 'tokens'])
    if (group(run.stop)[rule] !== undefined && group(run.stop)[rule] !== null)
      problems.push({
        path: ['run', 'stop', rule],
        text: `run.stop.${rule} does not go with run.hierarchy: the swarm above counts contributions of clusters, not their local steps; give versions, loss or minutes`,
      })
  if (run.warmStart !== undefined)
    problems.push({
      path: ['run', 'warmStart'],
      text: 'run.warmStart does not go with run.hierarchy: every cluster begins from the initial parameters of the seed',
    })
  return problems
}

/** A cluster counts what it reports from whole parameters that it took in. */
function fragments(file: Loose): readonly Problem[] {
  const run = group(file.run)
  if (run.fragments === undefined || run.hierarchy === undefined) return []
  const text = 'run.fragments is for flat runs, but run.hierarchy is given; leave out one of them'
  return [{ path: ['run', 'fragments'], text }]
}

function stopRule(file: Loose): readonly Problem[] {
  const stop = group(file.run).stop
  if (stop === undefined || stop === null || typeof stop !== 'object' || Array.isArray(stop)) return []
  if (Object.values(stop).some((value) => value !== null)) return []
  const text = 'run.stop names no rule; give one of versions, steps, tokens, loss, minutes'
  return [{ path: ['run', 'stop'], text }]
}

function faults(file: Loose): readonly Problem[] {
  const { everySeconds } = group(file.faults)
  const [least, most] = list(everySeconds)
  const wrongOrder = typeof least === 'number' && typeof most === 'number' && least > most
  const text = `faults.everySeconds begins with ${least}, which is more than ${most}; give the least first`
  const problems: Problem[] = wrongOrder ? [{ path: ['faults', 'everySeconds'], text }] : []
  const peers = list(file.peers)
  const elsewhere = peers.findIndex((peer) => group(peer).local === false)
  if (file.faults !== undefined && elsewhere >= 0)
    problems.push({
      path: ['faults'],
      text: `faults are for peers of one machine, but peers.${elsewhere} has local: false`,
    })
  return problems
}
