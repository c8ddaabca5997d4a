// Plots in which a thing travels: it is lost and found, swapped, mended, sent by letter.
import { a, capital, full, list, say, their, them, they } from './language.js'
import { ending, opening, type Scene } from './scene.js'
import { colours, days, hidingPlaces, trades, treasures } from './words.js'

/** A thing is gone; neighbours saw other things; the last one knows. */
export function lostThing(scene: Scene): string[] {
  const { d, hero, friend, others, weather } = scene
  const [noun, keeping] = d.pick(treasures)
  const colour = d.pick(colours)
  const thing = `${colour} ${noun}`
  const place = d.pick(hidingPlaces)
  const asked = others.slice(0, d.between(1, 3)).map((other, i) => {
    const seen = `${d.pick(colours.filter((c) => c !== colour))} ${d.pick(treasures)[0]}`
    return [
      d.text(
        `${i === 0 ? 'First' : '{Then|Next|After that}'} ${they(hero)} {asked|went to|met} ${full(other)}.`,
      ),
      say(d, hero, `Have you seen my ${thing}?`),
      say(d, other, d.text(`{No|I am sorry|Not today}, I have only seen ${a(seen)}.`)),
    ].join(' ')
  })
  return [
    `${opening(scene)} ${hero.name} had ${a(thing)}. ${capital(they(hero))} kept it ${keeping}.`,
    d.text(
      `{One day|That morning|After breakfast} the ${noun} was gone. ${hero.name} looked {everywhere|high and low|in every corner}, but there was no ${thing}. ${capital(they(hero))} was {sad|worried|close to tears}.`,
    ),
    ...asked,
    [
      d.text(`{At last|In the end|Finally} ${they(hero)} came to ${full(friend)}.`),
      say(d, hero, `Have you seen my ${thing}?`),
      say(d, friend, `Yes, I have. It is ${place}.`),
    ].join(' '),
    d.text(
      `They {ran|hurried|went} there together. And there it was: the ${thing}, ${place}! It was all because of ${weather.noun}. ${hero.name} {thanked|hugged} ${friend.name}, and put the ${noun} back where it belonged, ${keeping}.`,
    ),
    ending(scene),
  ]
}

/** A ride cannot be handed on. */
const portable = trades.filter(({ title }) => title !== 'ferryman')

/** To get one thing the hero must bring another, and so on; then everything is handed back in reverse. */
export function swaps(scene: Scene): string[] {
  const { d, hero, village } = scene
  const chain = d.several(portable, d.between(3, 4))
  const first = chain[0]
  const asking = chain.slice(0, -1).map((trade, i) => {
    const wish = chain[i + 1].goods
    return d.text(
      `The ${trade.title} was at ${trade.workplace}. "I will give you ${trade.goods}," said the ${trade.title}, "but first {bring|fetch|get} me ${wish}." So ${hero.name} went to the ${chain[i + 1].title}.`,
    )
  })
  const last = chain.at(-1)!
  const giving = chain
    .slice(0, -1)
    .toReversed()
    .map((trade, i) => {
      const brought = chain[chain.length - 1 - i].goods
      return `${hero.name} gave the ${trade.title} ${brought}, and the ${trade.title} gave ${them(hero)} ${trade.goods}.`
    })
  return [
    d.text(
      `${opening(scene)} ${hero.name} {needed|wanted|wished for} ${first.goods}, so ${they(hero)} went to the ${first.title} of ${village}.`,
    ),
    ...asking,
    d.text(
      `The ${last.title} was at ${last.workplace}. "{Take|Have|Here is} ${last.goods}," said the ${last.title}, "{you look tired|because you asked so nicely|I have more than I need}."`,
    ),
    giving.join(' '),
    d.text(`So ${hero.name} had ${first.goods} {at last|in the end|after all}. `) + ending(scene),
  ]
}

/** A tool breaks, the work stops, someone helps to mend it. */
export function mending(scene: Scene): string[] {
  const { d, hero, friend, village } = scene
  const { title, tool, goods, workplace, work } = d.pick(trades)
  const [day, next] = consecutiveDays(scene)
  return [
    d.text(
      `${opening(scene)} ${hero.name} {worked for|helped|was the best friend of} the ${title} of ${village}. Every day they went to ${workplace} to ${work}.`,
    ),
    d.text(`On ${day} the ${tool} broke. {Crack|Snap|Crunch}! Without the ${tool} nobody could ${work}.`),
    [
      d.text(`"{What now|What shall we do|Who can help us}?" asked the ${title}.`),
      say(d, hero, `I know who can mend the ${tool}. Let us ask ${friend.name}.`),
    ].join(' '),
    d.text(
      `${full(friend)} looked at the ${tool} {from all sides|for a long time|and nodded}. "{I need|Bring me} a {nail|string|piece of wood}, {some glue|a drop of oil|a pinch of salt} and a cup of tea," said ${friend.name}. ${capital(they(friend))} {worked|hammered and glued} all {evening|night}.`,
    ),
    d.text(
      `On ${next} the ${tool} was {as good as new|mended|whole again}. The ${title} could ${work} again, and gave ${friend.name} ${goods}. "{Thank you|That was kind}, ${friend.name}," said the ${title}.`,
    ),
    ending(scene),
  ]
}

function consecutiveDays({ d }: Scene): [string, string] {
  const day = d.below(days.length)
  return [days[day], days[(day + 1) % days.length]]
}

/** A letter, and its answer in the same form. */
export function letters(scene: Scene): string[] {
  const { d, hero, friend, others, lake, village, weather } = scene
  const [noun] = d.pick(treasures)
  const thing = `${d.pick(colours)} ${noun}`
  const day = d.pick(days)
  const names = list(others.slice(0, d.between(2, 4)).map((other) => other.name))
  return [
    d.text(`${full(hero)} {wrote a letter|took a pen and wrote} to ${full(friend)}.`),
    d.text(
      `Dear ${friend.name}, here in ${village} we talk of nothing but ${weather.noun}. ${weather.opening} ${weather.effect} I have ${a(thing)} for you. {Please come|Will you come|Do come} on ${day}, and we shall {sail|swim|walk|have a picnic} at ${lake}. ${names} will be there too. Your friend, ${hero.name}.`,
    ),
    d.text(
      `The {crow|postman|wind} carried the letter, and {soon|two days later|before supper} there was an answer.`,
    ),
    d.text(
      `Dear ${hero.name}, thank you for your letter. I have always wanted ${a(thing)}. I will come to ${village} on ${day}, and I will bring ${friend.kind.food} for ${names}. Your friend, ${friend.name}.`,
    ),
    d.text(
      `On ${day} ${friend.name} came, and ${hero.name} gave ${them(friend)} the ${thing}. ${friend.name} put the ${noun} in ${their(friend)} bag and {smiled|danced|laughed}. ${hero.name}, ${friend.name}, ${names} {stayed at ${lake} until dark|ate ${friend.kind.food} until dark}.`,
    ),
    ending(scene),
  ]
}
