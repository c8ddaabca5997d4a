// How the own contributions are coded: as the run says, or as the worker's link allows.
import { chooseCodec, transfersKept } from '../outer/compression.js'
import { codecsOf } from '../tensor/codec.js'
import type { CodecName } from './codec-names.js'
import { changeWorker, type Pending, report, type Turn } from './state.js'

/** @param steps of the round that is about to begin */
export function codecFor(turn: Turn, steps: number): CodecName {
  const { setup, worker } = turn.state
  const { compression } = setup.run
  if (compression.codec !== 'auto') return compression.codec
  const bytes = new Map(
    [...codecsOf(compression)].map(([name, codec]) => [name, codec.encodedBytes(setup.parameters)] as const),
  )
  const roundMs = worker.speed === null ? null : (steps / worker.speed) * 1000
  const { transfers, codec: current } = worker
  const choice = chooseCodec({ bytes, roundMs, transfers, current })
  if (choice.codec !== current) {
    changeWorker(turn, { codec: choice.codec })
    report(turn, { type: 'codec-chosen', ...choice })
  }
  return choice.codec
}

/** A contribution that was sent from here has its verdict: how long that took tells what the link carries. */
export function measureTransfer(turn: Turn, { manifest, publishedAt }: Pending): void {
  if (publishedAt === null) return
  const transfer = { bytes: manifest.bytes, ms: turn.at - publishedAt }
  changeWorker(turn, { transfers: [...turn.state.worker.transfers, transfer].slice(-transfersKept) })
}

/** Bytes of an applied contribution by this codec, which was checked to be one of the run's. */
export function payloadBytes({ state: { setup } }: Turn, codec: CodecName): number {
  return codecsOf(setup.run.compression).get(codec)?.encodedBytes(setup.parameters) ?? 0
}
