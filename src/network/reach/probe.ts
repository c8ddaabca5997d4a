// Finds out about the way to a peer: calls single addresses, asks who answers, and measures the path in use.
import { connect } from 'node:net'
import type { Connection, Stream } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Libp2p } from 'libp2p'
import { type PeerId, peerId } from '../../core/ids.js'
import type { AddressProbe, Echo, Introduction, Probe } from '../../ports/probe.js'
import { asError, innermost, messageOf } from '../errors.js'
import { SOUNDING_PROTOCOL } from '../flow/budget.js'
import { room } from '../flow/streams.js'
import { versionIn } from '../user-agent.js'
import { ipOf, isRelayed, pathKind, portOf } from './paths.js'

/** A call by relay takes several round trips between busy machines. */
const CALL_MS = 10_000
const KNOCK_AT_PORT_MS = 2_000
/** For what is asked as soon as a peer is let in. */
const INTRODUCTION_MS = 5_000
/** For all bursts together; the last one that is whole by then counts. */
const ECHO_MS = 4_000
const ROUND_TRIPS = 5
/** Bytes of the bursts: each four times the one before, until one takes long enough to be measured well. */
const BURST = { first: 64 * 1024, most: 4 * 2 ** 20, factor: 4, enoughMs: 400 } as const
const PIECE_BYTES = 64 * 1024

export class NetworkProbe implements Probe {
  readonly #introductions = new Map<PeerId, Introduction>()
  readonly #waiting = new Map<PeerId, (introduction: Introduction) => void>()

  /** To be made before the node has called anybody. */
  constructor(
    private readonly node: Libp2p,
    /** To a peer that has let this one in. */
    private readonly connectionTo: (peer: PeerId) => Connection | undefined,
  ) {
    // Peers that meet tell each other who they are; one that asked again would be turned away.
    node.addEventListener('peer:identify', ({ detail: { peerId: id, agentVersion, observedAddr } }) => {
      const peer = peerId(id.toString())
      const seenAs = observedAddr?.toString().replace(/\/p2p\/[^/]+$/, '') ?? null
      const introduction = { protocolVersion: versionIn(agentVersion), seenAs }
      this.#introductions.set(peer, introduction)
      this.#waiting.get(peer)?.(introduction)
    })
  }

  async call(address: string): Promise<AddressProbe> {
    const beganMs = performance.now()
    const ended = () => Math.round(performance.now() - beganMs)
    let target: Multiaddr
    try {
      target = multiaddr(address)
    } catch (error) {
      const reason = `it is not an address: ${messageOf(error)}`
      return { address, peer: null, kind: 'direct', reason, portAnswers: null, ms: ended() }
    }
    const kind = pathKind(target)
    const patience = AbortSignal.timeout(CALL_MS)
    try {
      const { remotePeer } = await this.node.dial(target, { force: true, signal: patience })
      return {
        address,
        peer: peerId(remotePeer.toString()),
        kind,
        reason: '',
        portAnswers: null,
        ms: ended(),
      }
    } catch (error) {
      const ms = ended()
      const reason = patience.aborted ? `nobody answered within ${CALL_MS / 1000} s` : innermost(error)
      const [ip, port] = isRelayed(target) ? [null, null] : [ipOf(target), portOf(target)]
      const portAnswers = ip === null || port === null ? null : await takesConnections(ip, port)
      return { address, peer: null, kind, reason, portAnswers, ms }
    }
  }

  introduce(peer: PeerId): Promise<Introduction> {
    const told = this.#introductions.get(peer)
    if (told !== undefined) return Promise.resolve(told)
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`it said nothing of itself within ${INTRODUCTION_MS / 1000} s`))
      const timer = setTimeout(late, INTRODUCTION_MS)
      this.#waiting.set(peer, (introduction) => {
        clearTimeout(timer)
        resolve(introduction)
      })
    })
  }

  async echo(peer: PeerId): Promise<Echo> {
    const signal = AbortSignal.timeout(ECHO_MS)
    const stream = await this.#connection(peer).newStream(SOUNDING_PROTOCOL, {
      signal,
      runOnLimitedConnection: true,
    })
    const mirror = new Mirror(stream)
    const abort = () => stream.abort(new Error(`no more came back within ${ECHO_MS / 1000} s`))
    signal.addEventListener('abort', abort)
    let roundTripMs = Number.POSITIVE_INFINITY
    let whole = { bytes: 1, ms: 0 }
    try {
      for (let i = 0; i < ROUND_TRIPS; i++) roundTripMs = Math.min(roundTripMs, await mirror.send(1))
      whole = { bytes: 1, ms: roundTripMs }
      for (let bytes: number = BURST.first; bytes <= BURST.most; bytes *= BURST.factor) {
        whole = { bytes, ms: await mirror.send(bytes) }
        if (whole.ms > BURST.enoughMs) break
      }
      await stream.close()
    } catch (error) {
      stream.abort(asError(error))
      // A slow path carries no larger burst in time, and what it carried was measured.
      if (!signal.aborted || roundTripMs === Number.POSITIVE_INFINITY) throw error
    } finally {
      signal.removeEventListener('abort', abort)
    }
    return { roundTripMs, ...whole }
  }

  #connection(peer: PeerId): Connection {
    const connection = this.connectionTo(peer)
    if (connection === undefined) throw new Error('the connection to it is gone')
    return connection
  }
}

/** The near end of a stream whose far end sends everything back. */
class Mirror {
  #outstanding = 0
  #isBack: () => void = () => {}
  #isGone: (error: Error) => void = () => {}

  constructor(private readonly stream: Stream) {
    stream.addEventListener('message', ({ data }) => {
      this.#outstanding -= data.byteLength
      if (this.#outstanding <= 0) this.#isBack()
    })
    stream.addEventListener('close', ({ error }) => this.#isGone(error ?? new Error('the stream was closed')))
  }

  /** Resolves with the time until all is back, ms. */
  async send(bytes: number): Promise<number> {
    const beganMs = performance.now()
    this.#outstanding = bytes
    const back = new Promise<void>((resolve, reject) => {
      this.#isBack = resolve
      this.#isGone = reject
    })
    // It may fail while there is still something to send.
    back.catch(() => {})
    for (let sent = 0; sent < bytes; sent += PIECE_BYTES) {
      if (this.stream.writeStatus !== 'writable') break
      this.stream.send(new Uint8Array(Math.min(PIECE_BYTES, bytes - sent)))
      await room(this.stream)
    }
    await back
    return performance.now() - beganMs
  }
}

/** Whether anybody accepts a TCP connection there. */
function takesConnections(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: KNOCK_AT_PORT_MS })
    const settle = (answers: boolean) => {
      socket.destroy()
      resolve(answers)
    }
    socket.once('connect', () => settle(true))
    socket.once('timeout', () => settle(false))
    socket.once('error', () => settle(false))
  })
}
