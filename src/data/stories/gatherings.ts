// Plots of many helpers: each does a part, and all parts come back in order.
import { a, capital, count, full, list, say, their, them, they } from './language.js'
import { ending, opening, type Scene } from './scene.js'
import { animals, colours, days, vegetables } from './words.js'

/** Everybody brings something for the soup; the recipe is repeated. */
export function soup(scene: Scene): string[] {
  const { d, hero, friend, others, village } = scene
  const cooks = [friend, ...others].slice(0, d.between(3, 5))
  const parts = d.several(vegetables, cooks.length).map((noun) => count(d.between(1, 9), noun))
  const bringing = cooks.map((cook, i) =>
    d.text(`${full(cook)} {brought|came with|gave} ${parts[i]}. {Plop|Splash}! Into the pot.`),
  )
  return [
    d.text(
      `${opening(scene)} ${hero.name} had {a big pot|an iron pot}, {a fire|dry wood} and water, but nothing to put in it. ${say(d, hero, 'Let us make soup together!')}`,
    ),
    ...bringing,
    d.text(
      `${hero.name} stirred and {tasted|hummed|counted}: ${list(parts)}. "{It needs salt|It is nearly done|A little longer}," {said|thought} ${hero.name}.`,
    ),
    d.text(
      `Then ${list(cooks.map((cook) => cook.name))} {sat down|took their spoons}, and {all of ${village} could smell it|nobody said a word until the pot was empty}. ${say(d, cooks[0], 'What is in this wonderful soup?')} "${capital(list(parts))}," said ${hero.name}, "and all of you."`,
    ),
    ending(scene),
  ]
}

/** A thing is stuck; the line of those who pull gets longer. */
export function pulling(scene: Scene): string[] {
  const { d, hero, friend, others } = scene
  const [stuck, gone] = d.pick([
    ['the giant turnip', 'it came out of the ground'],
    ['the boat', 'it slid into the water'],
    ['the cart', 'it rolled out of the mud'],
    ['the church bell', 'it rang over the valley'],
    ['the barn door', 'it flew open'],
  ])
  const line = [hero, friend, ...others].slice(0, d.between(3, 6))
  const steps = line.slice(1).map((helper, i) => {
    const chain = [...line.slice(0, i + 2)].reverse()
    const holds = chain.slice(0, -1).map((one, k) => `${one.name} pulled ${chain[k + 1].name}`)
    const last = i === line.length - 2
    return d.text(
      `${hero.name} called ${full(helper)}. ${capital(list([...holds, `${hero.name} pulled ${stuck}`]))}. They pulled and pulled, ${last ? `and ${gone}!` : 'but it did not move.'}`,
    )
  })
  return [
    d.text(
      `${opening(scene)} ${hero.name} wanted to move ${stuck}. ${capital(they(hero))} pulled and pulled, but it did not move.`,
    ),
    ...steps,
    d.text(
      `"{Together we are strong|Many small hands make one big hand|The last one made the difference}," said ${line.at(-1)!.name}, and {everyone laughed|sat down in the grass}.`,
    ),
  ]
}

/** One thing each day, Monday to Sunday. */
export function week(scene: Scene): string[] {
  const { d, hero, friend, lake } = scene
  const project = d.pick([
    {
      thing: 'boat',
      steps: [
        'found some old planks',
        'sawed the planks',
        'built the frame',
        'nailed the planks to the frame',
        'sealed the boat with tar',
        'painted the boat',
      ],
      use: `sailed the boat on ${lake}`,
    },
    {
      thing: 'garden',
      steps: [
        'cleared the stones',
        'dug the earth',
        'sowed the seeds',
        'watered the seeds',
        'put up a fence',
        'hung up a scarecrow',
      ],
      use: 'sat in the garden and waited for the first leaf',
    },
    {
      thing: 'kite',
      steps: [
        'cut two sticks',
        'tied the sticks into a cross',
        'cut the paper',
        'glued the paper to the cross',
        'made a tail',
        'painted a face on the kite',
      ],
      use: 'flew the kite over the hill',
    },
    {
      thing: 'house',
      steps: [
        'chose a place',
        'carried stones',
        'built the walls',
        'put on the roof',
        'hung the door',
        'lit the stove',
      ],
      use: 'slept in the house for the first time',
    },
    {
      thing: 'pie',
      steps: [
        'picked the apples',
        'peeled the apples',
        'ground the flour',
        'rolled the dough',
        'filled the pie',
        'baked the pie',
      ],
      use: 'ate the pie with cream',
    },
    {
      thing: 'quilt',
      steps: [
        'washed the wool',
        'spun the wool',
        'dyed the wool',
        'wove the squares',
        'sewed the squares together',
        'stitched a border',
      ],
      use: 'lay under the quilt and listened to the rain',
    },
  ])
  const colour = d.pick(colours)
  return [
    d.text(
      `${opening(scene)} ${hero.name} wanted ${a(`${colour} ${project.thing}`)}. "{A ${project.thing} is not made in a day|One step at a time|Begin on Monday}," said ${full(friend)}.`,
    ),
    days
      .slice(0, 6)
      .map((day, i) => `On ${day} ${i % 3 === 0 ? hero.name : they(hero)} ${project.steps[i]}.`)
      .join(' '),
    d.text(
      `On Sunday the ${colour} ${project.thing} was ready, and ${hero.name} and ${friend.name} ${project.use}. "{Seven days|One week}," said ${friend.name}, "and now look!"`,
    ),
    ending(scene),
  ]
}

/** Riddles whose answers are always the same. */
export function riddles(scene: Scene): string[] {
  const { d, hero, friend } = scene
  const subjects = d.several(animals, d.between(2, 4))
  const asked = subjects.map((subject, i) => {
    const [asker, guesser] = i % 2 === 0 ? [friend, hero] : [hero, friend]
    const clues = d.pick([
      `I have ${subject.mark}, and I live ${subject.home}.`,
      `I eat ${subject.food}, and I live ${subject.home}.`,
      `I have ${subject.mark}, and I eat ${subject.food}.`,
    ])
    return d.text(
      `"${clues} {What|Who} am I?" asked ${asker.name}. ${guesser.name} {thought|scratched ${their(guesser)} head|smiled}. "You are ${a(subject.noun)}," said ${guesser.name}, "and you can ${subject.skill.replace(' its ', ' your ')}." "{Right|Correct|Yes}!" cried ${asker.name}.`,
    )
  })
  return [
    d.text(
      `${opening(scene)} ${hero.name} and ${full(friend)} {sat by the stove|waited for the ferry|could not go out}, so they asked each other riddles.`,
    ),
    ...asked,
    ending(scene),
  ]
}

/** Something frightens the hero; a friend goes along. */
export function courage(scene: Scene): string[] {
  const { d, hero, friend, others, lake, weather } = scene
  const danger = d.pick([
    { at: 'the old bridge', fear: 'it swayed', other: 'the other side' },
    { at: 'the dark forest', fear: 'it was full of noises', other: 'the clearing' },
    { at: 'the deep water', fear: 'nobody had seen the bottom', other: 'the island' },
    { at: 'the long tunnel', fear: 'there was no light in it', other: 'the far end' },
    { at: 'the high wall', fear: 'it was a long way down', other: 'the top' },
  ])
  const waiting = others[0]
  return [
    d.text(
      `${opening(scene)} ${hero.name} had to {take|bring} {medicine|a warm soup|a letter} to ${full(waiting)}, who was {ill|alone|old and tired}. ${full(friend)} came along. But the way led to ${danger.at}, and ${hero.name} was afraid of ${danger.at}, because ${danger.fear}.`,
    ),
    `${say(d, hero, `I am afraid of ${danger.at}.`)} ${say(d, friend, d.text('{I am a little afraid too. Let us be afraid together|Then hold on to me|Being brave means going anyway}.'))}`,
    d.text(
      `Step by step they went. "{Do not look down|Sing something|Look at me}," said ${friend.name}. ${hero.name} {sang|looked at ${friend.name}|counted ${their(hero)} steps}, and {before ${they(hero)} knew it|at last} they had reached ${danger.other}.`,
    ),
    d.text(
      `${waiting.name} {was so glad|could hardly believe it}. "You came, in spite of ${weather.noun} and ${danger.at}!" said ${waiting.name}, and gave ${them(hero)} ${waiting.kind.food}. On the way back ${hero.name} was not afraid of ${danger.at} any more, and ${they(hero)} {whistled|hopped} all the way to ${lake}.`,
    ),
    ending(scene),
  ]
}

/** A storm breaks what was built badly; what is built well holds. */
export function storm(scene: Scene): string[] {
  const { d, hero, friend, others } = scene
  const weak = d.pick(['straw', 'hay', 'bark', 'paper', 'moss'])
  const strong = d.pick(['stone', 'oak', 'brick', 'clay'])
  return [
    d.text(
      `${opening(scene)} ${hero.name} built a house of ${weak}, for ${weak} {was cheap|was easy to carry}. ${full(friend)} built a house of ${strong}, though ${strong} {was heavy|took a whole month}.`,
    ),
    d.text(
      `{In the night|On the next evening} a storm came. The thunder {rolled|roared}, the lightning {flashed|lit up the lake}. The house of ${weak} {flew away|fell down}, because ${weak} is {light|weak}. The house of ${strong} stood, because ${strong} is {heavy|strong}.`,
    ),
    `${say(d, hero, 'My house is gone! May I come in?')} ${say(d, friend, d.text('{Of course you may|Come in and get dry|There is room for two}.'))}`,
    d.text(
      `{In the morning|When the storm was over} ${list([friend, ...others.slice(0, 2)].map((one) => one.name))} helped ${hero.name} to build a new house. This time ${they(hero)} built it of ${strong}. ${say(d, hero, `Never again ${weak}.`)}`,
    ),
    ending(scene),
  ]
}
