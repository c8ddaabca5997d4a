// A relay's server: libp2p's own with its limits lifted, which would cut a transfer short while the sender sees
// success, and with what it lacks: a bound on the bytes per second, and senders that wait for slow receivers.
import { AsyncLocalStorage } from 'node:async_hooks'
import {
  type CircuitRelayServerComponents,
  type CircuitRelayService,
  circuitRelayServer,
} from '@libp2p/circuit-relay-v2'
import type { Connection, Stream } from '@libp2p/interface'
import { pause, resume } from '../flow/streams.js'
import { RelayBudget } from './relay-budget.js'

/** Peers that a relay keeps a place for. */
export const MAX_RESERVATIONS = 256
/** Relayed connections of one peer at a time, each way: one to each other peer of a large swarm. */
const MAX_STREAMS = 256

/** The parts of the server that connect two peers; they are methods of it that its interface leaves out. */
interface Server extends CircuitRelayService {
  onHop(stream: Stream, connection: Connection): Promise<void>
  stopHop(stop: object, options: object): Promise<Stream | undefined>
}

/**
 * The libp2p service.
 *
 * @param maxBytesPerSecond of all that is relayed together
 */
export function relayServer(maxBytesPerSecond: number, nowMs: () => number) {
  return (components: CircuitRelayServerComponents): CircuitRelayService => {
    const server = circuitRelayServer({
      reservations: { applyDefaultLimit: false, maxReservations: MAX_RESERVATIONS },
      maxInboundHopStreams: MAX_STREAMS,
      maxOutboundStopStreams: MAX_STREAMS,
    })(components) as Server
    const budget = new RelayBudget(maxBytesPerSecond, nowMs)
    const caller = new AsyncLocalStorage<Stream>()
    const onHop = server.onHop.bind(server)
    const stopHop = server.stopHop.bind(server)
    server.onHop = (stream, connection) => caller.run(stream, () => onHop(stream, connection))
    server.stopHop = async (stop, options) => {
      const called = await stopHop(stop, options)
      const calling = caller.getStore()
      if (called !== undefined && calling !== undefined) {
        holdBack(calling, called, budget)
        holdBack(called, calling, budget)
      }
      return called
    }
    return server
  }
}

/** Reads no further from one stream while the other has no room, or the budget is spent. */
function holdBack(from: Stream, to: Stream, budget: RelayBudget): void {
  const send = to.send.bind(to)
  let full = false
  let spent = false
  const goOn = () => {
    if (!full && !spent) resume(from)
  }
  to.addEventListener('drain', () => {
    full = false
    goOn()
  })
  to.send = (data) => {
    const hasRoom = send(data)
    const waitMs = budget.take(data.byteLength)
    if (!hasRoom) full = true
    if (waitMs > 0 && !spent) {
      spent = true
      setTimeout(() => {
        spent = false
        goOn()
      }, waitMs)
    }
    if (full || spent) pause(from)
    return hasRoom
  }
}
