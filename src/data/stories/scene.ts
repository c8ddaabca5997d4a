// The setting of one story: who, where, when, and in what weather; it stays the same until the story ends.
import type { Dice } from './dice.js'
import { a, type Character, capital, full, their, they } from './language.js'
import {
  type Animal,
  animals,
  heNames,
  lakes,
  type Season,
  seasons,
  sheNames,
  traits,
  villages,
  type Weather,
  weathers,
} from './words.js'

export interface Scene {
  readonly d: Dice
  readonly hero: Character
  readonly friend: Character
  /** Neighbours whom the hero may meet, all different in name and kind. */
  readonly others: readonly Character[]
  readonly lake: string
  readonly village: string
  readonly season: Season
  readonly weather: Weather
}

const neighbours = 4

export function makeScene(d: Dice): Scene {
  const kinds = d.several(animals, neighbours + 2)
  const season = d.pick(seasons)
  const used = new Set<string>()
  const [hero, friend, ...others] = kinds.map((kind) => makeCharacter(d, kind, used))
  return {
    d,
    hero,
    friend,
    others,
    lake: d.pick(lakes),
    village: d.pick(villages),
    season,
    weather: d.pick(weathers.filter((weather) => weather.seasons.includes(season))),
  }
}

/** Only names not used yet in the story. */
function makeCharacter(d: Dice, kind: Animal, used: Set<string>): Character {
  const she = d.below(2) === 0
  const name = d.pick((she ? sheNames : heNames).filter((candidate) => !used.has(candidate)))
  used.add(name)
  return { name, kind, trait: d.pick(traits), she }
}

/** First sentences: the hero, the season, the weather and what it does. */
export function opening({ d, hero, lake, village, season, weather }: Scene): string {
  const { kind, trait } = hero
  const who = d.pick([
    `${full(hero)} lived ${kind.home}, {not far from|close to|a short walk from} ${village}.`,
    `In ${village}, by the shore of ${lake}, there lived ${a(trait)} ${kind.noun} {called|named|by the name of} ${hero.name}.`,
    `Once there was ${a(trait)} ${kind.noun} {called|named} ${hero.name}. ${capital(they(hero))} lived ${kind.home} and liked ${kind.food} {best of all|more than anything}.`,
    `Everyone around ${lake} knew ${full(hero)}, for ${their(hero)} {heart was big|laugh was loud|manners were good}.`,
  ])
  const when = d.pick([`It was ${season}.`, `It was {early|late} in the ${season}.`, ''])
  return d.text([who, when, weather.opening, weather.effect].filter((part) => part !== '').join(' '))
}

/** Last sentences. */
export function ending({ d, hero, friend, lake }: Scene): string {
  return d.text(
    d.pick([
      `That night the {moon|stars} shone on ${lake}, and ${hero.name} {slept well|dreamed of ${hero.kind.food}|slept like a stone}.`,
      `And {from that day on|ever after|since then} ${hero.name} and ${friend.name} {were the best of friends|had tea together every Sunday}.`,
      `${hero.name} went home and {ate a big plate of|had a supper of} ${hero.kind.food}. It had been a good day.`,
      `"{What a day|What a long day|Well, well}," said ${hero.name}, and ${they(hero)} {blew out the candle|closed the shutters|went to bed}.`,
      `{The end|So ends the story} of ${full(hero)} and ${full(friend)}.`,
    ]),
  )
}
