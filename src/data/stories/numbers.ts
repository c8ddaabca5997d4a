// Plots that count: what is added, taken and shared comes out right.
import { capital, count, countingTo, full, list, say, their, them, they } from './language.js'
import { ending, opening, type Scene } from './scene.js'
import { animals, days, goose, hidingPlaces, numbers, ordinals, wares } from './words.js'

/** A flock sets out, one is missing, one is found: nobody is lost. */
export function flock(scene: Scene): string[] {
  const { d, lake, village, weather } = scene
  const [hero, friend] = [scene.hero, scene.friend].map((bird) => ({ ...bird, kind: goose }))
  const size = d.between(4, 15)
  const geese: [string, string] = ['goose', 'geese']
  const all = count(size, geese)
  const place = d.pick(hidingPlaces)
  return [
    d.text(
      `${d.pick([weather.opening, weather.effect])} ${capital(all)} {rose|took off|set out} from ${lake} and flew {south|north|over the hills} in a long line. ${hero.name} {flew in front|led the flock|was the first in the line}, and ${friend.name} {flew last|came at the end of the line}.`,
    ),
    d.text(
      `{After a while|At noon|Over ${village}} ${hero.name} was tired, for the one in front {cuts the wind|works hardest}. ${say(d, hero, 'Who will lead now?')} ${say(d, friend, 'I will lead now.')} So ${friend.name} went to the front and ${hero.name} went to the back. That is how geese fly: {nobody leads for ever, and nobody is left behind|everyone leads a little, and nobody waits}.`,
    ),
    d.text(
      `In the evening they {landed on|came down to} the {marsh|meadow|island}. ${friend.name} counted: ${countingTo(size - 1)}. Only ${count(size - 1, geese)}! One was missing. "{Where is|Who has seen} ${hero.name}?" {asked|cried} ${friend.name}.`,
    ),
    d.text(
      `They {called|honked|searched} {until the moon came up|through the dark}. ${hero.name} was ${place}, {fast asleep|eating ${goose.food}|with a sore wing}. ${friend.name} brought ${them(hero)} back and counted again: ${countingTo(size)}. ${capital(all)}! ${capital(all)} had set out, and ${all} had arrived.`,
    ),
    d.text(
      `"{In a flock|Among geese}," said ${friend.name}, "{the lead changes, but the number stays the same|nobody is lost}."`,
    ),
  ]
}

/** Buyers take some; the rest is counted each time. */
export function market(scene: Scene): string[] {
  const { d, hero, friend, others, village } = scene
  const ware = d.pick(wares)
  let left = d.between(8, 20)
  const day = d.pick(days)
  const start = d.text(
    `${opening(scene)} On ${day} ${hero.name} {took|carried|brought} ${count(left, ware)} to the market of ${village}.`,
  )
  const sales = [...others.slice(0, 2), friend].map((buyer) => {
    const sold = d.between(1, Math.min(5, Math.floor(left / 2)))
    left -= sold
    return d.text(
      `${full(buyer)} {came by|stopped|came along} and {bought|took} ${count(sold, ware)}. {Now|Then|After that} ${count(left, ware)} ${left === 1 ? 'was' : 'were'} left.`,
    )
  })
  const eaten = d.between(1, left)
  const rest = left - eaten
  return [
    start,
    ...sales,
    d.text(
      `At noon ${hero.name} was hungry and ate ${count(eaten, ware)}. ${rest === 0 ? `Then there were no ${ware[1]} left, and the basket was empty` : `${capital(count(rest, ware))} went home again`}. ${rest === 0 ? say(d, hero, 'All sold and eaten!') : say(d, hero, `I will keep the rest for ${friend.name}.`)}`,
    ),
    ending(scene),
  ]
}

/** Equal shares. */
export function sharing(scene: Scene): string[] {
  const { d, hero, friend, others } = scene
  const guests = [friend, ...others].slice(0, d.between(1, 4))
  const eaters = guests.length + 1
  const each = d.between(2, Math.floor(20 / eaters))
  const ware = d.pick(wares)
  return [
    d.text(
      `${opening(scene)} ${hero.name} had ${count(each * eaters, ware)} {in a basket|in a blue bowl|on a big plate} and {no wish to eat alone|plenty of time}. So ${they(hero)} {invited|called|sent for} ${list(guests.map(full))}.`,
    ),
    d.text(
      `"{How shall we share|Who gets how many|How many for each}?" asked ${guests[0].name}. ${say(d, hero, `We are ${numbers[eaters]}, and there are ${count(each * eaters, ware)}. So each of us gets ${numbers[each]}.`)}`,
    ),
    [hero, ...guests]
      .map((eater) => `${eater.name} {got|took|had} ${numbers[each]}.`)
      .map((line) => d.text(line))
      .join(' ') +
      d.text(` {Nobody had more and nobody had less|It was fair}, and {all were content|no crumb was left}.`),
    ending(scene),
  ]
}

/** A song that counts up or down. */
export function song(scene: Scene): string[] {
  const { d, hero, lake } = scene
  const kind = d.pick(animals)
  const noun: [string, string] = [kind.noun, kind.plural]
  const top = d.between(4, 10)
  const doing = d.text('{sitting on the wall|swimming in the bay|dancing in the rain|sleeping in the hay}')
  const down = Array.from({ length: top }, (_, i) => {
    const now = top - i
    const line = `${capital(count(now, noun))} ${doing}; one went home for ${kind.food},`
    return `${line} and then ${now - 1 === 1 ? 'there was' : 'there were'} ${count(now - 1, noun)}.`
  })
  return [
    d.text(
      `${full(hero)} {sat by|stood at|paddled along} ${lake} and {sang|hummed|made up} this song ${d.pick(['for the little ones', 'against the cold', 'to stay awake', 'because the evening was long'])}:`,
    ),
    down.join('\n'),
    d.text(
      `"{Again|Once more|Sing it again}!" cried the little ${kind.plural}. So ${hero.name} sang it {again|once more}, from ${numbers[top]} down to none, until {all were asleep|the lamp went out}.`,
    ),
  ]
}

/** Counting to ten; the hidden are found in the order they hid. */
export function hideAndSeek(scene: Scene): string[] {
  const { d, hero, friend, others } = scene
  const hiders = [friend, ...others].slice(0, d.between(2, 4))
  const places = d.several(hidingPlaces, hiders.length)
  const limit = d.between(5, 12)
  const hiding = hiders.map((hider, i) => `${hider.name} hid ${places[i]}.`)
  const finding = hiders.map((hider, i) =>
    d.text(
      `${i === 0 ? 'First' : '{Then|Next}'} ${they(hero)} looked ${places[i]}, and there was ${hider.name}. "{You found me|Oh no|Well done}!" ${hider.kind.call} the ${hider.kind.noun}.`,
    ),
  )
  return [
    d.text(
      `${opening(scene)} ${hero.name} played hide and seek with ${list(hiders.map(full))}. ${hero.name} {closed ${their(hero)} eyes|turned to the wall} and counted: ${countingTo(limit)}.`,
    ),
    hiding.join(' '),
    `"I am coming!" called ${hero.name}. ${finding.join(' ')}`,
    d.text(
      `${hero.name} had found all ${numbers[hiders.length]}. {Now it was the turn of|The next to count was} ${hiders[0].name}, because ${they(hiders[0])} was found first.`,
    ),
    ending(scene),
  ]
}

/** A race: the order is kept. */
export function race(scene: Scene): string[] {
  const { d, hero, friend, others, lake, village, weather } = scene
  const runners = d.several([hero, friend, ...others], d.between(3, 5))
  const places = runners.map((runner, i) => `${runner.name} came ${ordinals[i + 1]}.`)
  const winner = runners[0]
  const last = runners.at(-1)!
  return [
    d.text(
      `Every {year|spring|autumn} there was a race from ${village} to ${lake}. This time ${count(runners.length, ['runner', 'runners'])} stood at the line: ${list(runners.toSorted((x, y) => (x.name < y.name ? -1 : 1)).map(full))}. ${weather.opening}`,
    ),
    d.text(
      `"{Ready, steady, go|One, two, three, go}!" {cried|shouted} the mayor. ${weather.effect} ${winner.name} was in front {from the start|before the bridge}, and ${last.name} {stopped to eat ${last.kind.food}|lost a shoe|waved to the children}.`,
    ),
    places.join(' '),
    d.text(
      `${winner.name} won {a cup|a medal|a cake}, and ${last.name} got {a big hug|the loudest cheer}. ${say(d, last, 'I was last, but I saw the most.')} ${say(d, winner, 'Then you have won as well.')}`,
    ),
  ]
}
