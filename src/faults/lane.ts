// One direction of one connection through a proxy: passes on bytes as the weather between two peers allows.
import type { Socket } from 'node:net'

/** What the bytes from one peer to another meet. */
export interface Weather {
  /** `silent`: they wait for better weather, and nobody is told. `broken`: connections are reset, new ones refused. */
  readonly flow: 'open' | 'silent' | 'broken'
  readonly delayMs: number
  /** Shared by all connections between the two, this way. */
  readonly bytesPerSecond: number
}

export const fairWeather: Weather = { flow: 'open', delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY }

/** The way from one peer to another. */
export class Way {
  weather = fairWeather
  /** When the last byte that was taken in has left at the rate, ms of the monotonic clock. */
  #freeAtMs = 0

  /** When bytes that come now arrive at the other end. */
  arrivalMs(bytes: number): number {
    const nowMs = performance.now()
    const { bytesPerSecond, delayMs } = this.weather
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs) + (bytes / bytesPerSecond) * 1000
    return this.#freeAtMs + delayMs
  }
}

/** Bytes on their way before the sender is told to wait: what a short line holds. */
const onTheWayBytes = 256 * 1024

interface Parcel {
  readonly bytes: Buffer
  readonly arrivesMs: number
}

export class Lane {
  readonly #parcels: Parcel[] = []
  #bytes = 0
  #blocked = false
  #ending: 'end' | 'reset' | null = null
  #timer: NodeJS.Timeout | undefined

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly way: Way,
  ) {
    from.on('data', (bytes: Buffer) => this.#take(bytes))
    from.on('end', () => this.#finish('end'))
    from.on('error', () => this.#finish('reset'))
    from.on('close', () => this.#finish('end'))
    to.on('drain', () => {
      this.#blocked = false
      this.pump()
    })
  }

  /** Passes on what may arrive by now; called again when the weather changes. */
  pump(): void {
    clearTimeout(this.#timer)
    if (this.way.weather.flow !== 'open' || this.#blocked || this.to.destroyed) return
    const nowMs = performance.now()
    while (this.#parcels.length > 0 && this.#parcels[0].arrivesMs <= nowMs && !this.#blocked) {
      const { bytes } = this.#parcels.splice(0, 1)[0]
      this.#bytes -= bytes.length
      this.#blocked = !this.to.write(bytes)
    }
    if (this.#bytes <= onTheWayBytes) this.from.resume()
    const [waiting] = this.#parcels
    if (waiting === undefined) this.#pass()
    else if (!this.#blocked)
      this.#timer = setTimeout(() => this.pump(), Math.max(0, Math.ceil(waiting.arrivesMs - nowMs)))
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#parcels.length = 0
  }

  #take(bytes: Buffer): void {
    this.#parcels.push({ bytes, arrivesMs: this.way.arrivalMs(bytes.length) })
    this.#bytes += bytes.length
    if (this.#bytes > onTheWayBytes) this.from.pause()
    this.pump()
  }

  #finish(how: 'end' | 'reset'): void {
    this.#ending ??= how
    this.pump()
  }

  /** The end of a connection takes the same way as its bytes. */
  #pass(): void {
    if (this.#ending === 'end') this.to.end()
    else if (this.#ending === 'reset') this.to.resetAndDestroy()
  }
}
