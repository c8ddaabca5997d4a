// Notices when this peer is reached at other addresses than it has told the run: a relay answered late, a cable was moved.

/** Looks for which addresses have to stay as they are: a place at a relay that is lost is mostly back at once. */
const STEADY_LOOKS = 5

export class OwnAddresses {
  #told: string
  #seen: string
  #looks = 0

  constructor(
    told: readonly string[],
    private readonly now: () => readonly string[],
    private readonly moved: (addresses: readonly string[]) => void,
  ) {
    this.#told = keyOf(told)
    this.#seen = this.#told
  }

  /** To be called once in a while. One that is reached nowhere tells nobody. */
  look(): void {
    const addresses = this.now()
    const seen = keyOf(addresses)
    this.#looks = seen === this.#seen ? this.#looks + 1 : 1
    this.#seen = seen
    if (seen === this.#told || this.#looks < STEADY_LOOKS || addresses.length === 0) return
    this.#told = seen
    this.moved(addresses)
  }
}

/** In whichever order they are told. */
const keyOf = (addresses: readonly string[]): string => [...addresses].sort().join()
