// The virtual clock: what happens next, in order of time, and of scheduling where times are equal.

interface Due {
  readonly at: number
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

export class VirtualClock {
  #now = 0
  #order = 0
  readonly #heap: Due[] = []
  /** What real time is still needed for. */
  readonly #awaited: Promise<void>[] = []

  /** ms since the simulation began. */
  get now(): number {
    return this.#now
  }

  /** Runs `run` after `delayMs`; the result takes it back. */
  after(delayMs: number, run: () => void): () => void {
    const due: Due = { at: this.#now + Math.max(0, delayMs), order: this.#order++, run, cancelled: false }
    this.#push(due)
    return () => {
      due.cancelled = true
    }
  }

  /** Calls `then` with a result at once, or, while virtual time stands still, once its promise has it. */
  when<Result>(result: Result | Promise<Result>, then: (result: Result) => void): void {
    if (!(result instanceof Promise)) return then(result)
    const awaited = result.then(then)
    // Told to whoever waits in `settled`.
    awaited.catch(() => {})
    this.#awaited.push(awaited)
  }

  /** Until no promise is waited for any more. Rejects as they do. */
  async settled(): Promise<void> {
    while (this.#awaited.length > 0) await this.#awaited.shift()
  }

  /** Runs the next thing due; false when nothing is, or only after `untilMs`. */
  advance(untilMs = Number.POSITIVE_INFINITY): boolean {
    if (this.#awaited.length > 0)
      throw new Error('This simulation trains in real time: run it with `runAwaiting`.')
    while (this.#heap.length > 0 && this.#heap[0].at <= untilMs) {
      const due = this.#pop()
      if (due.cancelled) continue
      this.#now = due.at
      due.run()
      return true
    }
    return false
  }

  /** Lets the time until then pass in which nothing was due. */
  skipTo(atMs: number): void {
    this.#now = Math.max(this.#now, atMs)
  }

  #push(due: Due): void {
    const heap = this.#heap
    let child = heap.push(due) - 1
    while (child > 0) {
      const parent = (child - 1) >> 1
      if (!before(heap[child], heap[parent])) break
      ;[heap[child], heap[parent]] = [heap[parent], heap[child]]
      child = parent
    }
  }

  #pop(): Due {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (last !== undefined && heap.length > 0) {
      heap[0] = last
      let parent = 0
      for (;;) {
        const left = 2 * parent + 1
        const right = left + 1
        let least = parent
        if (left < heap.length && before(heap[left], heap[least])) least = left
        if (right < heap.length && before(heap[right], heap[least])) least = right
        if (least === parent) break
        ;[heap[parent], heap[least]] = [heap[least], heap[parent]]
        parent = least
      }
    }
    return top
  }
}

const before = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
