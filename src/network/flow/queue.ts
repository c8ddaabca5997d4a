// A bounded queue between what pushes at once and what pulls when it can: the head of a byte pipeline.

export class Queue<T> {
  readonly #items: T[] = []
  #ended = false
  #waiting: (() => void) | null = null

  constructor(private readonly capacity: number) {}

  /** False if the queue is full or has ended. */
  push(item: T): boolean {
    if (this.#ended || this.#items.length >= this.capacity) return false
    this.#items.push(item)
    this.wake()
    return true
  }

  /** Lets the reader finish what is queued, and then end. */
  end(): void {
    this.#ended = true
    this.wake()
  }

  /** Ended, and nothing is left. */
  get finished(): boolean {
    return this.#ended && this.#items.length === 0
  }

  /** Makes a waiting reader look again whether it should go on. */
  wake(): void {
    this.#waiting?.()
    this.#waiting = null
  }

  /** Items in order, for one reader at a time; what is left when `live` turns false stays queued. */
  async *while(live: () => boolean): AsyncGenerator<T> {
    while (live()) {
      if (this.#items.length > 0) {
        yield this.#items.shift() as T
      } else if (this.#ended) {
        return
      } else {
        await new Promise<void>((resolve) => {
          this.#waiting = resolve
        })
      }
    }
  }
}
