// Which codec a worker's next contribution takes where the run leaves it to the worker: the most exact one whose
// transfer hides behind the round's local steps.
import { type CodecName, codecNames } from '../core/codec-names.js'

/** One of the own contributions, as it went: from publishing to its verdict. */
export interface Transfer {
  readonly bytes: number
  readonly ms: number
}

export interface CompressionFacts {
  /** Bytes of a payload by each codec that the run allows. */
  readonly bytes: ReadonlyMap<CodecName, number>
  /** Of the round to come; null if its speed is not known. */
  readonly roundMs: number | null
  /** The latest ones. */
  readonly transfers: readonly Transfer[]
  /** In use; null before the first contribution. */
  readonly current: CodecName | null
}

export interface CompressionChoice {
  readonly codec: CodecName
  readonly reason: string
}

/** Transfers that tell today's rate. */
export const transfersKept = 4

/** A quarter of the bytes for an error under a hundredth: cheap on a fast link, bearable on most slow ones. */
const firstChoice: CodecName = 'int8'

/**
 * Share of a round that a transfer may take: assignments and parameters travel as well. A codec more exact than the one
 * in use must fit into less, or the choice would go to and fro with every small change of the rate.
 */
const mostOfRound = 0.5
const mostOfRoundToRise = 0.33

export function chooseCodec({ bytes, roundMs, transfers, current }: CompressionFacts): CompressionChoice {
  if (current === null || transfers.length === 0 || roundMs === null) {
    const codec = current ?? firstChoice
    return { codec, reason: `${codec}: no transfer was measured yet` }
  }
  // What a verdict takes beside the transfer makes a rate too low, never too high: the best one is nearest to the truth.
  const rate = Math.max(...transfers.map((one) => one.bytes / Math.max(1, one.ms)))
  const allowed = codecNames.filter((name) => bytes.has(name))
  const msOf = (codec: CodecName): number => (bytes.get(codec) ?? 0) / rate
  const isRise = (codec: CodecName): boolean => codecNames.indexOf(codec) < codecNames.indexOf(current)
  const fits = (codec: CodecName): boolean =>
    msOf(codec) <= roundMs * (isRise(codec) ? mostOfRoundToRise : mostOfRound)
  const codec = allowed.find(fits) ?? allowed[allowed.length - 1]
  const place = `${seconds(roundMs)} round at ${((rate * 8) / 1000).toFixed(1)} Mbit/s`
  const reason = `${codec}: ${((bytes.get(codec) ?? 0) / 1e6).toFixed(1)} MB would take ${seconds(msOf(codec))} of a ${place}`
  return { codec, reason }
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
