// Where what the network brings, and asks for, belongs: the swarm of a peer's cluster, or the one above.
import type { BulkName } from '../ports/mesh.js'
import type { Above } from './above.js'
import type { RunStage } from './inbox.js'
import type { SwarmPeer } from './swarm-peer.js'

export interface Stages {
  readonly peer: SwarmPeer
  readonly above: Above | null
  /** The cluster whose own swarm the peer is in; null in a flat run. */
  readonly swarm: string | null
}

/** What the network brings goes to the swarm that it belongs to. What is of another cluster's is not for this peer. */
export function stageOf({ peer, above, swarm }: Stages): RunStage {
  const { driver, contributions } = peer
  return {
    message: (from, message, channel) => {
      if (channel.swarm === swarm) driver.dispatch({ type: 'message', from, message })
      else if (channel.swarm === null) above?.message(from, message, channel)
    },
    fits: (manifest, of) =>
      of === swarm ? contributions.fits(manifest) : of === null && above?.fits(manifest) === true,
    contribution: (from, manifest, payload, of) => {
      if (of === swarm) void contributions.arrived(from, manifest, payload)
      else if (of === null) above?.contribution(from, manifest, payload)
    },
    incomplete: (from, manifest, of) => {
      if (of === null && swarm !== null) return above?.incomplete(from, manifest)
      contributions.missed(manifest.payload)
      driver.dispatch({ type: 'contribution-incomplete', from, manifest })
    },
    connected: (who) => {
      driver.dispatch({ type: 'connected', peer: who })
      above?.connected(who)
    },
    disconnected: (who) => {
      driver.dispatch({ type: 'disconnected', peer: who })
      above?.disconnected(who)
    },
  }
}

/** Versions are counted by each swarm for itself; payloads have the same name wherever they are. */
export async function serveFrom(
  { peer, above, swarm }: Stages,
  name: BulkName,
): ReturnType<SwarmPeer['serve']> {
  if (above === null || name.kind === 'corpus') return peer.serve(name)
  if (name.kind === 'payload') return (await peer.serve(name)) ?? above.serve(name)
  const of = name.swarm ?? null
  if (of === null) return above.serve(name)
  return of === swarm ? peer.serve(name) : null
}
