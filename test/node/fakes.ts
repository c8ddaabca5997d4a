// Small stand-ins for the adapters, for the tests of the node's parts.
import type { NewEvent } from '../../src/core/events.js'
import { assignmentId, type Hash, peerId } from '../../src/core/ids.js'
import type { Manifest } from '../../src/core/messages.js'
import type { PayloadFormat } from '../../src/node/payload-check.js'
import { sha256 } from '../../src/platform/sha256.js'
import type { Mesh } from '../../src/ports/mesh.js'
import { type CodecChoice, codecs, codecsOf } from '../../src/tensor/codec.js'
import { norm } from '../../src/tensor/vector.js'
import { manifestOf } from '../../src/wire/chunks.js'

export const alice = peerId('alice')
export const bob = peerId('bob')

/** The methods that a test needs; calling any other is a mistake of the test. */
export const fakeMesh = (methods: Partial<Mesh>): Mesh =>
  ({ arriving: () => false, attempts: () => [], ...methods }) as Mesh

/** Remembers events, and lets a test wait for the next one of a type. */
export class Events {
  readonly all: NewEvent[] = []
  #waiting: (() => void)[] = []

  readonly dispatch = (event: NewEvent): void => {
    this.all.push(event)
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** @param skip so many of the type that came before */
  async next<Type extends NewEvent['type']>(
    type: Type,
    skip = 0,
  ): Promise<Extract<NewEvent, { type: Type }>> {
    for (;;) {
      const found = this.all.filter(
        (event): event is Extract<NewEvent, { type: Type }> => event.type === type,
      )
      if (found.length > skip) return found[skip]
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }
}

/** A run that compresses nothing, and its payloads where the model has two parameters. */
export const exact: CodecChoice = { codec: 'fp32', density: 1 }
export const format: PayloadFormat = { parameters: 2, fragments: 1, codecs: codecsOf(exact) }

export interface MadeContribution {
  readonly manifest: Manifest
  readonly payload: Uint8Array
}

/** A contribution with this pseudo-gradient. */
export function contributionOf(gradient: number[], changes: Partial<Manifest> = {}): MadeContribution {
  const g = Float32Array.from(gradient)
  const payload = codecs.fp32.encode(g)
  const round = {
    assignment: assignmentId(3),
    base: 0,
    steps: 5,
    codec: 'fp32',
    norm: norm(g),
    speed: 10,
    loss: 2,
  } as const
  return { manifest: { ...manifestOf(round, payload, sha256), ...changes }, payload }
}

/** A replica's payloads in memory. */
export class MemoryPayloads {
  readonly kept = new Map<Hash, Uint8Array>()
  put(hash: Hash, bytes: Uint8Array): Promise<void> {
    this.kept.set(hash, bytes)
    return Promise.resolve()
  }
  get(hash: Hash): Promise<Uint8Array | null> {
    return Promise.resolve(this.kept.get(hash) ?? null)
  }
  delete(hash: Hash): Promise<void> {
    this.kept.delete(hash)
    return Promise.resolve()
  }
}

/** Fails the test that did not expect a failure. */
export const unexpected = (error: unknown): never => {
  throw error
}
