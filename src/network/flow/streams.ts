// libp2p's streams at the two ends of a byte pipeline, with back-pressure both ways.
import type { Stream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'
import { emulatedBacklog } from './links.js'

type Bytes = Uint8Array | Uint8ArrayList

/** Bytes that may wait in a stream before its writer waits too: what 200 ms of a 10 Mbit/s line carry. */
export const BUDGET_BYTES = 256 * 1024

/** Bytes of a stream that have not reached the transport. */
export const backlog = (stream: Stream): number => stream.writeBufferLength + emulatedBacklog(stream)

/**
 * Resolves when the stream has room again, or is closed. `onDrain()` of libp2p's own resolves at once
 * after its first drain, so this waits for the events themselves.
 */
export async function room(stream: Stream, budgetBytes = BUDGET_BYTES): Promise<void> {
  while (stream.writeStatus === 'writable' && (stream.writableNeedsDrain || backlog(stream) > budgetBytes)) {
    await new Promise<void>((resolve) => {
      const events = ['drain', 'idle', 'close'] as const
      const done = () => {
        for (const event of events) stream.removeEventListener(event, done)
        resolve()
      }
      for (const event of events) stream.addEventListener(event, done)
    })
  }
}

/** Resolves when both ends of the stream are closed. */
export async function closed(stream: Stream): Promise<void> {
  if (stream.status !== 'open' && stream.status !== 'closing') return
  await new Promise<void>((resolve) => stream.addEventListener('close', () => resolve(), { once: true }))
}

/** Writes what a pipeline yields, waiting for room after each piece. Rejects once the stream is closed. */
export const sink =
  (stream: Stream) =>
  async (source: AsyncIterable<Bytes> | Iterable<Bytes>): Promise<void> => {
    for await (const bytes of source) {
      if (stream.writeStatus !== 'writable') throw new Error(`the stream is ${stream.status}`)
      stream.send(bytes)
      await room(stream)
    }
  }

/** Reads a stream message by message: paused while the pipeline is busy, so the sender must wait. */
export async function* source(stream: Stream): AsyncGenerator<Bytes> {
  const arrived: Bytes[] = []
  let failure: Error | null = null
  let isClosed = stream.status !== 'open' && stream.status !== 'closing'
  let wake: (() => void) | null = null
  const onMessage = (event: { data: Bytes }) => {
    arrived.push(event.data)
    pause(stream)
    wake?.()
  }
  const onEnd = () => wake?.()
  const onClose = (event: { error?: Error }) => {
    isClosed = true
    failure = event.error ?? null
    wake?.()
  }
  stream.addEventListener('close', onClose)
  stream.addEventListener('end', onEnd)
  stream.addEventListener('remoteCloseWrite', onEnd)
  stream.addEventListener('message', onMessage)
  try {
    for (;;) {
      const next = arrived.shift()
      if (next !== undefined) {
        yield next
        continue
      }
      // Also after a reset: what arrived before it was sent in good faith.
      resume(stream)
      if (arrived.length > 0) continue
      if (failure !== null) throw failure
      const ended = isClosed || stream.remoteWriteStatus === 'closed'
      if (ended && stream.readBufferLength === 0) return
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      wake = null
    }
  } finally {
    stream.removeEventListener('message', onMessage)
    stream.removeEventListener('end', onEnd)
    stream.removeEventListener('remoteCloseWrite', onEnd)
    stream.removeEventListener('close', onClose)
  }
}

// Both throw a StreamStateError on a stream that is closing, which can happen between any two events.
export function pause(stream: Stream): void {
  if (stream.readStatus === 'readable') stream.pause()
}
export function resume(stream: Stream): void {
  if (stream.readStatus !== 'paused') return
  try {
    stream.resume()
  } catch {
    // The window update found the connection gone; 'close' is on its way.
  }
}
