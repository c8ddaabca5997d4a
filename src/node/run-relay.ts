// A relay alone from start to end: the same identity each time, so that the addresses given out stay good.
import { join } from 'node:path'
import { generateIdentity } from '../network/identity.js'
import type { CertificateFiles } from '../network/reach/certificate.js'
import { MAX_RESERVATIONS } from '../network/reach/relay.js'
import { createRelayNode, type RelayCount } from '../network/reach/relay-node.js'
import { loadOrCreateKey } from '../store/identity.js'
import { lockPeer } from '../store/peer-lock.js'

export { MAX_RESERVATIONS }

export interface RelayOptions {
  /** Keeps the relay's key. */
  readonly folder: string
  readonly listen: readonly string[]
  readonly announce: readonly string[] | null
  /** Of everything that is relayed together. */
  readonly bytesPerSecond: number
  readonly upnp: boolean
  readonly psk: Uint8Array | null
  readonly certificate: CertificateFiles | null
  readonly log: (message: string) => void
}

export interface RelayShown {
  readonly started: (addresses: readonly string[]) => void
  readonly counted: (count: RelayCount) => void
}

const COUNT_MS = 2_000

/**
 * Relays until asked to stop.
 * @throws UserError when an address cannot be listened on, or another relay runs on the folder
 */
export async function runRelay(options: RelayOptions, shown: RelayShown, stop: AbortSignal): Promise<void> {
  const { folder, ...rest } = options
  const lock = await lockPeer(join(folder, 'lock'), 'relay')
  try {
    const privateKey = await loadOrCreateKey(join(folder, 'key'), generateIdentity)
    const relay = await createRelayNode({ ...rest, privateKey, relays: [] })
    shown.started(relay.addresses())
    let last = ''
    const timer = setInterval(() => {
      const count = relay.count()
      if (JSON.stringify(count) === last) return
      last = JSON.stringify(count)
      shown.counted(count)
    }, COUNT_MS)
    await new Promise<void>((resolve) => {
      if (stop.aborted) resolve()
      stop.addEventListener('abort', () => resolve())
    })
    clearInterval(timer)
    await relay.close()
  } finally {
    await lock.release()
  }
}
