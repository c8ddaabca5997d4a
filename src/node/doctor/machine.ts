// Finds out what of this machine a peer would use: Node, clock, WebRTC, ports, multicast.
import { readFileSync } from 'node:fs'
import {
  hearOwnMulticast,
  whyNoDatagrams,
  whyNotListen,
  whyNoWebRtc,
} from '../../network/reach/machine-probe.js'
import { isPrivateIp } from '../../network/reach/paths.js'
import { findForwardingRouter } from '../../network/reach/router-probe.js'
import { packageRoot } from '../../platform/package-root.js'
import type { Tell, Watch } from './facts.js'

/**
 * @param listen multiaddrs that a peer would listen on
 * @param upnp asks the router too
 */
export async function examineMachine(
  { listen, upnp }: { readonly listen: readonly string[]; readonly upnp: boolean },
  tell: Tell,
  watch: Watch,
): Promise<void> {
  tell({ about: 'node', version: process.versions.node, least: leastNode() })
  tell({ about: 'clock', nowMs: Date.now() })
  tell({ about: 'webrtc', reason: await watch('loading WebRTC', whyNoWebRtc) })
  for (const address of listen) tell({ about: 'listen', address, reason: await whyNotListen(address) })
  tell({ about: 'datagrams', reason: await whyNoDatagrams() })
  tell({ about: 'mdns', heard: await watch('listening for multicast', hearOwnMulticast) })
  if (upnp) {
    const found = await watch('asking the router', findForwardingRouter)
    tell({ about: 'upnp', found, isPrivate: 'outside' in found && isPrivateIp(found.outside) })
  }
}

/** The oldest Node that the package says it runs on. */
function leastNode(): string {
  const text = readFileSync(new URL('package.json', packageRoot), 'utf8')
  return (JSON.parse(text) as { engines: { node: string } }).engines.node.replace(/^>=/, '')
}
