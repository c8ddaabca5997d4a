// Who is dialled and let in: not the peers of other runs, and for a while not those that misbehaved or were refused.
import type { ConnectionGater } from '@libp2p/interface'
import type { PeerId } from '../../core/ids.js'

/** Long enough that cutting a peer off costs it more than it can send in between. */
const BAN_MS = 5 * 60_000
/** A peer that was not let in waits this long before it may knock again, twice as long each time, at most a ban. */
const REFUSAL_MS = 5_000

export class Gate {
  readonly #foreign = new Map<PeerId, string>()
  readonly #bannedUntilMs = new Map<PeerId, number>()
  readonly #refusals = new Map<PeerId, number>()

  constructor(private readonly nowMs: () => number) {}

  /** A peer that belongs elsewhere: it is not called again, though it may call and say hello anew. */
  setForeign(peer: PeerId, reason: string): void {
    this.#foreign.set(peer, reason)
  }

  setOurs(peer: PeerId): void {
    this.#foreign.delete(peer)
    this.#refusals.delete(peer)
  }

  /** A peer that could not show that it belongs here: it may come again after a while. */
  refuse(peer: PeerId): void {
    const times = this.#refusals.get(peer) ?? 0
    this.#refusals.set(peer, times + 1)
    this.#bannedUntilMs.set(peer, this.nowMs() + Math.min(BAN_MS, REFUSAL_MS * 2 ** times))
  }

  isForeign(peer: PeerId): boolean {
    return this.#foreign.has(peer)
  }

  ban(peer: PeerId): void {
    this.#bannedUntilMs.set(peer, this.nowMs() + BAN_MS)
  }

  isBanned(peer: PeerId): boolean {
    const untilMs = this.#bannedUntilMs.get(peer)
    if (untilMs === undefined) return false
    if (untilMs > this.nowMs()) return true
    this.#bannedUntilMs.delete(peer)
    return false
  }

  /** Worth a call of our own accord. */
  welcomes(peer: PeerId): boolean {
    return !this.isForeign(peer) && !this.isBanned(peer)
  }

  /** libp2p's view: identities are known once a connection is encrypted. */
  get gater(): ConnectionGater {
    const denied = (peer: { toString(): string }) => this.isBanned(peer.toString() as PeerId)
    return {
      denyDialPeer: denied,
      denyInboundEncryptedConnection: denied,
      denyOutboundEncryptedConnection: denied,
      // Loopback and private addresses are where our peers live.
      denyDialMultiaddr: () => false,
    }
  }
}
