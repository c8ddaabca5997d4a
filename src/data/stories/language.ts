// English in small: articles, plurals, lists, pronouns, speech.
import type { Dice } from './dice.js'
import { type Animal, numbers } from './words.js'

export interface Character {
  readonly name: string
  readonly kind: Animal
  readonly trait: string
  readonly she: boolean
}

/** Subject, object and possessive pronoun. */
export const they = (who: Character): string => (who.she ? 'she' : 'he')
export const them = (who: Character): string => (who.she ? 'her' : 'him')
export const their = (who: Character): string => (who.she ? 'her' : 'his')

/** "Ada the goose" */
export const full = (who: Character): string => `${who.name} the ${who.kind.noun}`

export const a = (noun: string): string => (/^([aeiou]|honest)/.test(noun) ? `an ${noun}` : `a ${noun}`)

export const capital = (text: string): string => text[0].toUpperCase() + text.slice(1)

/** "one egg", "two eggs", "no eggs" */
export const count = (number: number, [one, many]: readonly [string, string]): string =>
  `${numbers[number]} ${number === 1 ? one : many}`

/** "a, b and c" */
export const list = (items: readonly string[]): string =>
  items.length === 1 ? items[0] : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`

/** "one, two, three, ..." up to a number. */
export const countingTo = (number: number): string => numbers.slice(1, number + 1).join(', ')

/** One line of speech; the verb follows its end: a question is asked, an exclamation cried. */
export function say(d: Dice, who: Character, speech: string, named = true): string {
  const speaker = named ? who.name : they(who)
  const end = speech.at(-1)
  if (end === '?') return `"${speech}" ${d.text('{asked|asked|wondered}')} ${speaker}.`
  if (end === '!') return `"${speech}" ${d.text('{cried|called|shouted}')} ${speaker}.`
  return `"${speech.slice(0, -1)}," ${d.text(`{said|said|said|answered|${who.kind.call}}`)} ${speaker}.`
}
