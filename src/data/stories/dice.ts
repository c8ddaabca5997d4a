// Random choices for a story: a function of the seed, the story's number and the choices made before.
import { hash32 } from '../../outer/random.js'

export class Dice {
  private throws = 0

  constructor(
    private readonly seed: number,
    private readonly story: number,
  ) {}

  /** A whole number from 0 to `count` - 1. */
  below(count: number): number {
    this.throws += 1
    return hash32(this.seed, this.story, this.throws) % count
  }

  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]
  }

  /** `count` different items, in random order. */
  several<Item>(items: readonly Item[], count: number): Item[] {
    const rest = [...items]
    return Array.from({ length: count }, () => rest.splice(this.below(rest.length), 1)[0])
  }

  /** Fills in a template: `{a|b|c}` becomes one of a, b and c; what stands in it may not hold braces. */
  text(template: string): string {
    return template.replace(/\{([^{}]*)\}/g, (_, choices: string) => this.pick(choices.split('|')))
  }
}
