// The heads of clusters: members that others can reach, so that a cluster behind routers is not cut off from those who
// would call it.
import type { MemberReach, PeerStatus } from '../ports/status.js'

export interface ClusterHead {
  readonly cluster: string
  /** Name of a member that other clusters can reach; null if there is none. */
  readonly head: string | null
  /** By which of its addresses: `lan` where another cluster is on the same network. */
  readonly by: MemberReach
}

type Told = Pick<PeerStatus, 'name' | 'cluster' | 'members' | 'paths'>

/**
 * One for each cluster with members present, as the peer that tells sees it; none where it knows no members. Private
 * addresses lead to a cluster only from the same network: that is so where this peer has such a path between the two.
 */
export function clusterHeads(told: Told): readonly ClusterHead[] {
  const clusters = [...new Set(told.members.flatMap(({ cluster, present }) => (present ? [cluster] : [])))]
  return clusters.map((cluster) => headOf(cluster, told))
}

/** Clusters that nobody could call; where there is one cluster, nobody else wants to. */
export function headless(heads: readonly ClusterHead[]): readonly string[] {
  return heads.length < 2 ? [] : heads.flatMap(({ cluster, head }) => (head === null ? [cluster] : []))
}

function headOf(cluster: string, { name, cluster: own, members, paths }: Told): ClusterHead {
  const there = members.filter((member) => member.present && member.cluster === cluster)
  for (const by of ['public', 'relayed'] as const) {
    const head = there.find(({ reach }) => reach === by)
    if (head !== undefined) return { cluster, head: head.name, by }
  }
  const isNear = (id: string) => paths.some((path) => path.id === id && path.kind === 'lan')
  if (cluster === own) {
    const others = members.filter((member) => member.present && member.cluster !== own)
    return others.some(({ id }) => isNear(id)) ? { cluster, head: name, by: 'lan' } : none(cluster)
  }
  const near = there.find(({ id }) => isNear(id))
  return near === undefined ? none(cluster) : { cluster, head: near.name, by: 'lan' }
}

const none = (cluster: string): ClusterHead => ({ cluster, head: null, by: 'none' })
