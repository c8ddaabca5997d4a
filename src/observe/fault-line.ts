// What a fault that was made on purpose does to a peer, in words.
import type { FaultRecord } from '../faults/records.js'
import { clean } from './format.js'

/** The rest of a sentence that begins with the peer. */
export function faultLine({ what, peers, forSeconds }: FaultRecord): string {
  const seconds = `${forSeconds.toFixed(1)} s`
  switch (what) {
    case 'kill':
      return `FAULT: killed, to be started again in ${seconds}`
    case 'pause':
      return `FAULT: stopped for ${seconds}`
    case 'isolate':
      return `FAULT: cut off from all others for ${seconds}`
    case 'split':
      return `FAULT: ${peers.map(clean).join(', ')} cut off from the other clusters for ${seconds}`
    case 'mute':
      return `FAULT: heard by nobody for ${seconds}`
  }
}
