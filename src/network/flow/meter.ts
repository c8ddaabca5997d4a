// Every stream of ours passes here once: its bytes are counted, budgeted, and take the emulated link.
import type { Stream, StreamMessageEvent } from '@libp2p/interface'
import type { PeerId } from '../../core/ids.js'
import type { Purpose } from '../../ports/mesh.js'
import type { Budget } from './budget.js'
import type { Links } from './links.js'
import type { TrafficCount } from './traffic.js'

export class Meter {
  constructor(
    private readonly traffic: TrafficCount,
    private readonly links: Links,
    private readonly budget: Budget,
    /** Called for whatever arrives: the peer is alive. */
    private readonly heard: (peer: PeerId) => void,
  ) {}

  /** Takes over the stream's `send`, `close` and event dispatch; a 'message' listener would steal data. */
  attach(stream: Stream, peer: PeerId, purpose: Purpose): Stream {
    const send = stream.send.bind(stream)
    const close = stream.close.bind(stream)
    const dispatch = stream.dispatchEvent.bind(stream)
    stream.send = (data) => {
      this.traffic.sent(peer, purpose, data.byteLength)
      this.budget.sent(peer, purpose, stream, data.byteLength)
      return this.links.carry(peer, purpose === 'control', stream, data, send)
    }
    stream.close = async (options) => {
      await this.links.flushed(stream)
      await close(options)
    }
    stream.dispatchEvent = (event: Event) => {
      if (event.type === 'message') {
        const { byteLength } = (event as StreamMessageEvent).data
        this.traffic.received(peer, purpose, byteLength)
        this.budget.received(purpose, byteLength)
        this.heard(peer)
      }
      return dispatch(event)
    }
    return stream
  }
}
