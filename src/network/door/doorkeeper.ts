// Keeps the door of a run: until a peer has proved that it belongs there, it may do nothing but knock.

import type { identify } from '@libp2p/identify'
import type { Connection, PeerId as RemoteId, Stream } from '@libp2p/interface'
import * as lengthPrefixed from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import type { z } from 'zod'
import { type PeerId, peerId } from '../../core/ids.js'
import type { Door, Judgement, Refusal } from '../../ports/door.js'
import type { HelloAnswer } from '../../ports/mesh.js'
import { CONTROL_CAP_BYTES, decode, encode, MalformedMessage } from '../../wire/codec.js'
import {
  admissionAnswerSchema,
  credentialSchema,
  knockAnswerSchema,
  knockSchema,
  packAdmission,
  packCredential,
} from '../../wire/door.js'
import { HELLO_PROTOCOL } from '../direct/hello.js'
import { asError } from '../errors.js'
import type { Meter } from '../flow/meter.js'
import { sink, source } from '../flow/streams.js'
import type { Gate } from './gate.js'

export const DOOR_PROTOCOL = '/skein/door/1'
/** What a peer may say that was not let in: hello is turned away at once. */
const OUTSIDE: readonly string[] = [DOOR_PROTOCOL, HELLO_PROTOCOL]
/** What a relay says, which does not belong to the run: it hands over calls, and looks from where this peer is reached. */
const RELAYED: readonly string[] = [
  '/libp2p/circuit/relay/0.2.0/stop',
  '/ipfs/id/1.0.0',
  '/ipfs/ping/1.0.0',
  '/libp2p/autonat/1.0.0',
]
/** How long a connection may stay without its peer being let in: knocking takes two round trips. */
const PATIENCE_MS = 8_000
/** What a peer is told last takes some round trips to be heard and answered. */
const LAST_WORDS_MS = 1_000
/** Streams of one peer that wait for it to be let in: as many protocols as there are, and some more. */
const WAITING_STREAMS = 16
/** A peer of another run is no news: there may be many on one network. */
const ELSEWHERE: Judgement = { refusal: { kind: 'refused' } }

type Registrar = Parameters<ReturnType<typeof identify>>[0]['registrar']
type Handler = ReturnType<Registrar['getHandler']>['handler']

/** How a knock was answered: with the genesis and the leader, or not. */
export type Answered =
  | { readonly admitted: Extract<Judgement, { admission: unknown }>['admission'] }
  | { readonly refusal: Refusal; readonly words: string }

export interface DoorkeeperParts {
  readonly door: Door
  readonly gate: Gate
  readonly meter: Meter
  readonly self: PeerId
  /** One that this peer was told to be reached through. */
  readonly isRelay: (peer: PeerId) => boolean
  readonly hangUp: (peer: PeerId, reason: string) => void
  /** From now on the peer counts as connected. */
  readonly admitted: (peer: PeerId) => void
  readonly refused: (from: PeerId, reason: string) => void
  readonly malformed: (from: PeerId, error: unknown) => void
}

export class Doorkeeper {
  /** Peers that are connected and let in. */
  readonly #inside = new Set<PeerId>()
  /** Peers that proved that they belong to the run: they need not do so again after a reconnection. */
  readonly #known = new Set<PeerId>()
  readonly #waiting = new Map<PeerId, ((isIn: boolean) => void)[]>()
  readonly #patience = new Map<PeerId, NodeJS.Timeout>()

  constructor(private readonly parts: DoorkeeperParts) {}

  /** A libp2p service that does nothing but stand in front of every protocol's handler. */
  readonly service = ({ registrar }: { readonly registrar: Registrar }): object => {
    const getHandler = registrar.getHandler.bind(registrar)
    registrar.getHandler = (protocol) => {
      const { handler, options } = getHandler(protocol)
      if (OUTSIDE.includes(protocol)) return { handler, options }
      return { handler: this.#guarded(handler, RELAYED.includes(protocol)), options }
    }
    return {}
  }

  isInside(peer: PeerId): boolean {
    return this.#inside.has(peer)
  }

  /** A connection to a peer that was not connected. */
  connected(peer: PeerId): void {
    if (this.parts.isRelay(peer)) return
    if (this.#known.has(peer)) return this.#letIn(peer)
    this.#beginPatience(peer)
    if (!this.parts.door.isIn) this.parts.door.arrived(peer)
  }

  /** Each connection that this peer made: the other one has to be told who calls. */
  opened(connection: Connection): void {
    if (connection.direction === 'outbound' && this.parts.door.isIn) this.#knockQuietly(connection)
  }

  /** This peer has entered its run: it says so to whom it is connected with. */
  entered(connections: readonly Connection[]): void {
    for (const connection of connections) {
      const peer = idOf(connection)
      if (!this.#inside.has(peer) && !this.parts.isRelay(peer)) this.#knockQuietly(connection)
    }
  }

  disconnected(peer: PeerId): void {
    this.#inside.delete(peer)
    this.#settle(peer, false)
    this.parts.door.left(peer)
  }

  /** Hangs up on those who do not belong to the run any more. */
  reconsider(): void {
    for (const peer of [...this.#known]) {
      if (this.parts.door.stands(peer)) continue
      this.#known.delete(peer)
      this.parts.gate.refuse(peer)
      // Time for it to hear from the leader why.
      this.#hangUpSoon(peer, 'it was shut out of the run')
    }
  }

  close(): void {
    for (const peer of [...this.#patience.keys()]) this.#settle(peer, false)
  }

  /** Resolves with whether the peer was let in, which may take a knock that is under way. */
  admission(peer: PeerId): Promise<boolean> {
    if (this.#inside.has(peer)) return Promise.resolve(true)
    if (!this.#patience.has(peer)) return Promise.resolve(false)
    const waiting = this.#waiting.get(peer) ?? []
    if (waiting.length >= WAITING_STREAMS) return Promise.resolve(false)
    return new Promise((resolve) => this.#waiting.set(peer, [...waiting, resolve]))
  }

  /** Asks to be let in. Rejects if no answer comes, or one that is malformed. */
  async knock(connection: Connection): Promise<Answered> {
    const { door, meter, self } = this.parts
    const to = idOf(connection)
    const signal = AbortSignal.timeout(PATIENCE_MS)
    let stream: Stream
    try {
      stream = await connection.newStream(DOOR_PROTOCOL, { signal, runOnLimitedConnection: true })
    } catch (error) {
      // Its run is open to everyone: it is not this one.
      if (asError(error).name === 'UnsupportedProtocolError') return this.#turnedAway(to, { kind: 'refused' })
      throw error
    }
    meter.attach(stream, to, 'control')
    const talk = new Talk(stream)
    const abort = () => stream.abort(new Error(`no answer within ${PATIENCE_MS / 1000} s`))
    signal.addEventListener('abort', abort)
    try {
      await talk.say({ sign: door.sign(self, to) })
      const first = await talk.hear(knockAnswerSchema)
      if ('refusal' in first) return this.#turnedAway(to, first.refusal)
      const theirs = door.sign(to, self)
      const credential = door.show(to)
      // Whoever does not know the run is shown nothing.
      if (theirs === null || credential === null || !sameBytes(first.sign, theirs))
        return this.#turnedAway(to, { kind: 'refused' })
      await talk.say(packCredential(credential))
      const answer = await talk.hear(admissionAnswerSchema)
      if ('refusal' in answer) return this.#turnedAway(to, answer.refusal)
      if (!door.accept(to, answer.admission)) return this.#turnedAway(to, { kind: 'refused' })
      await stream.close()
      this.#know(to)
      return { admitted: answer.admission }
    } catch (error) {
      stream.abort(asError(error))
      throw error
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** Answers a knock. */
  readonly handle = async (stream: Stream, connection: Connection): Promise<void> => {
    const from = idOf(connection)
    this.parts.meter.attach(stream, from, 'control')
    const talk = new Talk(stream)
    const timer = setTimeout(() => stream.abort(new Error('nothing more was said')), PATIENCE_MS)
    try {
      const judgement = await this.#hearOut(from, talk)
      const isLater = 'refusal' in judgement && judgement.refusal.kind === 'later'
      if ('admission' in judgement) this.#know(from)
      await talk.say('admission' in judgement ? packAdmission(judgement.admission) : judgement)
      await stream.close()
      if (isLater) this.#beginPatience(from)
      else if ('refusal' in judgement)
        this.#refuse(from, refusalWords(judgement.refusal), judgement !== ELSEWHERE)
    } catch (error) {
      if (error instanceof MalformedMessage) this.parts.malformed(from, error)
      stream.abort(asError(error))
    } finally {
      clearTimeout(timer)
    }
  }

  /** A peer that comes without a ticket, as to a run that is open to everyone. */
  readonly turnAway = (from: PeerId): HelloAnswer => {
    this.#refuse(from, 'it came without a ticket')
    return { accepted: false, reason: 'it lets in only peers that have a ticket', later: false }
  }

  async #hearOut(from: PeerId, talk: Talk): Promise<Judgement> {
    const { door, self } = this.parts
    const { sign } = await talk.hear(knockSchema)
    const expected = door.sign(from, self)
    const own = door.sign(self, from)
    if (expected === null || own === null) return { refusal: { kind: 'later' } }
    if (sign === null) return { refusal: { kind: 'refused' } }
    if (!sameBytes(sign, expected)) return ELSEWHERE
    if (!door.isIn) return { refusal: { kind: 'later' } }
    await talk.say({ sign: own })
    return door.judge(from, await talk.hear(credentialSchema))
  }

  /** Members find each other out by the way; a search asks for itself. */
  #knockQuietly(connection: Connection): void {
    const peer = idOf(connection)
    this.knock(connection)
      .then((answered) => {
        if ('refusal' in answered && ['expired', 'revoked'].includes(answered.refusal.kind))
          this.parts.refused(peer, `it does not let this peer in: ${answered.words}`)
      })
      .catch((error) => {
        // One that is gone, or speaks another language: the patience with it ends it.
        if (error instanceof MalformedMessage) this.parts.malformed(peer, error)
      })
  }

  #turnedAway(by: PeerId, refusal: Refusal): Answered {
    const words = this.parts.door.explain(refusal)
    if (refusal.kind === 'later') this.#beginPatience(by)
    else {
      this.parts.gate.setForeign(by, words)
      this.parts.hangUp(by, 'it does not let this peer in')
    }
    return { refusal, words }
  }

  #refuse(peer: PeerId, reason: string, isNews = true): void {
    this.parts.gate.refuse(peer)
    if (isNews) this.parts.refused(peer, reason)
    this.#hangUpSoon(peer, reason)
  }

  #hangUpSoon(peer: PeerId, reason: string): void {
    setTimeout(() => this.parts.hangUp(peer, reason), LAST_WORDS_MS).unref()
  }

  #know(peer: PeerId): void {
    this.#known.add(peer)
    this.parts.gate.setOurs(peer)
    this.#letIn(peer)
  }

  #letIn(peer: PeerId): void {
    if (this.#inside.has(peer)) return
    this.#inside.add(peer)
    this.#settle(peer, true)
    this.parts.admitted(peer)
  }

  #beginPatience(peer: PeerId): void {
    if (this.#inside.has(peer)) return
    clearTimeout(this.#patience.get(peer))
    const over = () => {
      this.#settle(peer, false)
      this.parts.hangUp(peer, `it was not let in within ${PATIENCE_MS / 1000} s`)
    }
    this.#patience.set(peer, setTimeout(over, PATIENCE_MS))
  }

  #settle(peer: PeerId, isIn: boolean): void {
    clearTimeout(this.#patience.get(peer))
    this.#patience.delete(peer)
    const waiting = this.#waiting.get(peer) ?? []
    this.#waiting.delete(peer)
    for (const resolve of waiting) resolve(isIn)
  }

  /** A stream that comes while its peer is still knocking waits: the peer may hear first that it is let in. */
  #guarded(handler: Handler, isForRelays: boolean): Handler {
    return async (stream, connection) => {
      if (isForRelays && this.parts.isRelay(idOf(connection))) return handler(stream, connection)
      if (await this.admission(idOf(connection))) return handler(stream, connection)
      stream.abort(new Error('its peer was not let in'))
    }
  }
}

/** What a member writes in its own events; an outsider hears less. */
function refusalWords(refusal: Refusal): string {
  switch (refusal.kind) {
    case 'expired':
      return `its ticket expired on ${new Date(refusal.at).toISOString()}`
    case 'revoked':
      return 'it, its ticket, or whoever let it in was revoked'
    case 'refused':
    case 'later':
      return 'it could not show that it belongs to this run'
  }
}

/** Frames in turn on one stream. */
class Talk {
  readonly #frames: AsyncGenerator<{ subarray(): Uint8Array }>

  constructor(private readonly stream: Stream) {
    this.#frames = lengthPrefixed.decode(source(stream), { maxDataLength: CONTROL_CAP_BYTES })
  }

  async say(value: unknown): Promise<void> {
    await pipe([encode(value)], lengthPrefixed.encode, sink(this.stream))
  }

  async hear<T>(schema: z.ZodType<T>): Promise<T> {
    const { done, value } = await this.#frames.next()
    if (done === true) throw new Error('the stream ended before an answer came')
    return decode(value.subarray(), schema, CONTROL_CAP_BYTES)
  }
}

const idOf = ({ remotePeer }: { readonly remotePeer: RemoteId }): PeerId => peerId(remotePeer.toString())

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.byteLength === b.byteLength && a.every((byte, i) => byte === b[i])
