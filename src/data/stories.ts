// The built-in corpus: short stories about geese, their neighbours and the weather, told by a grammar. The same seed
// gives the same bytes on every machine.

import { Dice } from './stories/dice.js'
import { letters, lostThing, mending, swaps } from './stories/errands.js'
import { courage, pulling, riddles, soup, storm, week } from './stories/gatherings.js'
import { flock, hideAndSeek, market, race, sharing, song } from './stories/numbers.js'
import { makeScene, type Scene } from './stories/scene.js'

type Plot = (scene: Scene) => string[]

const plots: readonly Plot[] = [
  flock,
  lostThing,
  swaps,
  mending,
  letters,
  market,
  sharing,
  song,
  hideAndSeek,
  race,
  soup,
  pulling,
  week,
  riddles,
  courage,
  storm,
]

/** The corpus that runs share unless told otherwise. */
export const storiesSeed = 1
/** About ten epochs of a first run; a process makes it in a blink. */
const storiesBytes = 2_400_000

/** One story: paragraphs, each on a line of its own. */
export function story(seed: number, number: number): string {
  const dice = new Dice(seed, number)
  const plot = dice.pick(plots)
  return `${plot(makeScene(dice)).join('\n')}\n`
}

/** Stories until they take at least `bytes`; they are ASCII, so that a character is a byte. */
export function stories(seed = storiesSeed, bytes = storiesBytes): string[] {
  const told: string[] = []
  for (let length = 0; length < bytes; length += told.at(-1)!.length) told.push(story(seed, told.length))
  return told
}
