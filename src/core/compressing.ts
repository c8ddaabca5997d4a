// How the own contributions are coded: as the run says, or as the worker's link allows.
import { chooseCodec, transfersKept } from '../outer/compression.js'
import { fragmentCount } from '../outer/fragments.js'
import { codecsOf } from '../tensor/codec.js'
import { fragmentAt, lengthOf } from '../tensor/fragments.js'
import type { CodecName } from './codec-names.js'
import type { ApplyEntry, Assignment } from './entries.js'
import { changeWorker, type Pending, report, type Turn } from './state.js'

/** Of the round that is about to begin. */
export function codecFor(turn: Turn, { steps, fragment }: Pick<Assignment, 'steps' | 'fragment'>): CodecName {
  const { setup, worker } = turn.state
  const { compression } = setup.run
  if (compression.codec !== 'auto') return compression.codec
  const values = valuesIn(turn, fragment)
  const bytes = new Map(
    [...codecsOf(compression)].map(([name, codec]) => [name, codec.encodedBytes(values)] as const),
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

/** Bytes of an applied contribution whose codec was checked to be one of the run's. */
export function payloadBytes(
  turn: Turn,
  { codec, fragment }: Pick<ApplyEntry, 'codec' | 'fragment'>,
): number {
  const { compression } = turn.state.setup.run
  return codecsOf(compression).get(codec)?.encodedBytes(valuesIn(turn, fragment)) ?? 0
}

/** Values of a contribution. */
function valuesIn({ state: { setup } }: Turn, fragment = 0): number {
  return lengthOf(fragmentAt(setup.parameters, fragmentCount(setup.run), fragment))
}
