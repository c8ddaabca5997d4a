// WebRTC, by which two peers behind routers reach each other directly. Its native part is there for the usual systems;
// where it is not, peers go by relay.
import type { webRTC } from '@libp2p/webrtc'
import type { Multiaddr } from '@multiformats/multiaddr'
import { messageOf } from '../errors.js'
import { ipOf, portOf } from './paths.js'

export type WebRtcTransport = ReturnType<typeof webRTC>

/** libp2p's transport, or why there is none here. */
export async function loadWebRtc(
  responders: () => readonly string[],
): Promise<{ readonly transport: WebRtcTransport } | { readonly reason: string }> {
  try {
    const { webRTC } = await import('@libp2p/webrtc')
    // No responder is better than libp2p's default of strangers' ones.
    const rtcConfiguration = () => ({ iceServers: responders().map((urls) => ({ urls })) })
    return { transport: webRTC({ rtcConfiguration }) }
  } catch (error) {
    return {
      reason: `WebRTC cannot be loaded here (${messageOf(error)}), so that peers behind routers are reached by relay only; \`npm install node-datachannel\` fetches its native part`,
    }
  }
}

/** A relay answers who asks as what it is seen on the UDP port of the same number. */
export function responderAt(relay: Multiaddr): string | null {
  const { name, value } = relay.getComponents()[0] ?? {}
  const host = name?.startsWith('dns') ? (value ?? null) : ipOf(relay)
  const port = portOf(relay)
  return host === null || port === null || host.includes(':') ? null : `stun:${host}:${port}`
}
