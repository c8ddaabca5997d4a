// The corpus of a run as tokens, for a peer whose machine lacks the text: had from members, checked by the genesis, kept.
import { readFile } from 'node:fs/promises'
import { nameOfChunks } from '../core/content.js'
import { hash } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import { chunkHashesInSlices } from '../platform/content-name.js'
import { sha256 } from '../platform/sha256.js'
import type { Mesh } from '../ports/mesh.js'
import type { TokenSplit } from '../ports/trainer.js'
import { writeFileAtomically } from '../store/atomic.js'
import { errorCode, storeError } from '../store/store-error.js'
import type { DataManifest } from '../swarmfile/genesis.js'
import { reasonOf } from './reason.js'
import type { Reporter } from './reporter.js'

/** How often members are asked again, after a pause in which others may have been met. */
const TRIES = 10
const PAUSE_MS = 2_000
/** A copy for others is made again after nobody has asked for this long. */
const COPY_KEPT_MS = 60_000

export interface Wanted {
  readonly mesh: Mesh
  readonly manifest: DataManifest
  /** Where the tokens are kept for the next start, and for other peers of this folder. */
  readonly path: string
  readonly reporter: Reporter
  readonly stop: AbortSignal
}

/**
 * The tokens kept from an earlier start, or those of whichever connected member gives them.
 *
 * @throws UserError if nobody does
 */
export async function corpusFromMembers(wanted: Wanted): Promise<TokenSplit> {
  const { manifest, path, reporter } = wanted
  const kept = await keptBytes(path, manifest)
  if (kept !== null) return splitOf(kept, manifest)
  reporter.warn(
    `This machine has no corpus for the run: fetching its ${manifest.trainTokens + manifest.heldOutTokens} tokens from members. With --corpus a copy of the text is used instead.`,
  )
  const bytes = await fetched(wanted)
  await writeFileAtomically(path, [bytes])
  return splitOf(bytes, manifest)
}

/** Of the tokens, those held out last; what the genesis has the digest of. */
export const corpusBytes = ({ trainTokens, heldOutTokens }: DataManifest): number =>
  (trainTokens + heldOutTokens) * Uint16Array.BYTES_PER_ELEMENT

async function keptBytes(path: string, manifest: DataManifest): Promise<Uint8Array | null> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw storeError('read', path, error)
  }
  // Of another run, or damaged: fetched anew.
  return bytes.byteLength === corpusBytes(manifest) && (await nameInSlices(bytes)) === manifest.content
    ? bytes
    : null
}

const nameInSlices = async (bytes: Uint8Array): Promise<string> =>
  nameOfChunks(bytes.byteLength, await chunkHashesInSlices(bytes), sha256)

async function fetched({ mesh, manifest, reporter, stop }: Wanted): Promise<Uint8Array> {
  let failure = 'no member is connected'
  for (let tries = 0; tries < TRIES; tries++) {
    stop.throwIfAborted()
    const donors = mesh.peers()
    try {
      if (donors.length > 0) {
        const bytes = await mesh.fetch({ kind: 'corpus' }, donors, hash(manifest.content), {
          atMost: corpusBytes(manifest),
        })
        reporter.report({ type: 'corpus', bytes: corpusBytes(manifest) })
        return bytes
      }
    } catch (error) {
      failure = reasonOf(error)
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
  throw new UserError(
    'data',
    `no member of the run gave its corpus: ${failure}`,
    'check that a peer of the run is up that has it, or pass a copy of the text with --corpus',
  )
}

/** On shared memory, so that threads need no copy. */
function splitOf(bytes: Uint8Array, { trainTokens, heldOutTokens, vocabulary }: DataManifest): TokenSplit {
  const part = (firstToken: number, tokens: number): Uint16Array => {
    const size = Uint16Array.BYTES_PER_ELEMENT
    const shared = new SharedArrayBuffer(tokens * size)
    new Uint8Array(shared).set(bytes.subarray(firstToken * size, (firstToken + tokens) * size))
    return new Uint16Array(shared)
  }
  return { train: part(0, trainTokens), heldOut: part(trainTokens, heldOutTokens), vocabulary }
}

/** The tokens as one run of bytes for those who ask: made at the first request, and let go when nobody asks any more. */
export class CorpusCopy {
  #bytes: Uint8Array | null = null
  #timer: NodeJS.Timeout | undefined

  constructor(private readonly tokens: TokenSplit) {}

  bytes(): Uint8Array {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#bytes = null
    }, COPY_KEPT_MS).unref()
    this.#bytes ??= this.#copy()
    return this.#bytes
  }

  #copy(): Uint8Array {
    const { train, heldOut } = this.tokens
    const all = new Uint16Array(train.length + heldOut.length)
    all.set(train)
    all.set(heldOut, train.length)
    return new Uint8Array(all.buffer)
  }
}
