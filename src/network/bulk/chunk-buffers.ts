// Memory in which chunks are put together, used again and again. The pieces that the network hands out die young once they
// are copied; kept for as long as a chunk takes to come, hash and write, they keep the garbage collector at work on them.

/** Unused buffers that are kept. */
const SPARE = 16

export class ChunkBuffers {
  readonly #spare: Uint8Array<ArrayBuffer>[] = []

  constructor(private readonly chunkBytes: number) {}

  /** Memory for a chunk of this size, with anything in it. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    const whole = this.#spare.pop() ?? new Uint8Array(this.chunkBytes)
    return whole.subarray(0, bytes)
  }

  /** Nobody reads or writes it any more. */
  giveBack({ buffer }: Uint8Array<ArrayBuffer>): void {
    if (this.#spare.length < SPARE) this.#spare.push(new Uint8Array(buffer))
  }
}
