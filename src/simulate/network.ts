// The virtual network: how long each message takes, and whether it is lost or comes twice.
import { uniform } from '../outer/random.js'

export interface NetworkModel {
  /** One-way delay within a cluster and between clusters, ms. */
  readonly latencyMs: number
  readonly betweenMs: number
  /** Up to this much more, uniformly: messages overtake each other. */
  readonly jitterMs: number
  /** Share of messages lost, and of messages delivered twice. Connected streams lose nothing: gossip only. */
  readonly loss: number
  readonly duplication: number
}

export const quietNetwork: NetworkModel = {
  latencyMs: 1,
  betweenMs: 20,
  jitterMs: 0,
  loss: 0,
  duplication: 0,
}

/** Draws from one seed; each call is a new draw. */
export class Dice {
  #count = 0
  constructor(readonly seed: number) {}

  /** In [0, 1). */
  roll(): number {
    return uniform(this.seed, this.#count++)
  }
}

/** Delays after which a gossip message arrives: none if it is lost, two if it is doubled. */
export function gossipDelays(model: NetworkModel, between: boolean, dice: Dice): number[] {
  if (dice.roll() < model.loss) return []
  const copies = dice.roll() < model.duplication ? 2 : 1
  return Array.from({ length: copies }, () => delay(model, between, dice))
}

/** One-way delay of one message; a direct stream keeps the order of its messages besides. */
export function delay(model: NetworkModel, between: boolean, dice: Dice): number {
  return (between ? model.betweenMs : model.latencyMs) + model.jitterMs * dice.roll()
}
