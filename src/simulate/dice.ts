// Chance that can be repeated: every draw is a function of a seed and of how many draws there were before.
import { uniform } from '../outer/random.js'

export class Dice {
  #draws = 0

  /** @param purpose keeps dice of one seed apart */
  constructor(
    private readonly seed: number,
    private readonly purpose: number,
  ) {}

  /** In [0, 1). */
  readonly roll = (): number => uniform(this.seed, this.purpose, this.#draws++)

  chance(probability: number): boolean {
    return this.roll() < probability
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.roll()
  }

  /** A whole number, both ends included. */
  whole(least: number, most: number): number {
    return least + Math.floor((most - least + 1) * this.roll())
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item
  pick<Item>(items: readonly Item[]): Item | undefined
  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[Math.floor(items.length * this.roll())]
  }
}
