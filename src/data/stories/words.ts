// What the stories are about: animals, names, things, trades, weather. The facts never change from story to story,
// so that a reader can learn them: an otter always lives under the roots and always eats trout.

export interface Animal {
  readonly noun: string
  readonly plural: string
  readonly call: string
  readonly food: string
  readonly home: string
  /** Completes "I have ...". */
  readonly mark: string
  /** Completes "It can ...". */
  readonly skill: string
}

const animal = (
  noun: string,
  plural: string,
  call: string,
  food: string,
  home: string,
  mark: string,
  skill: string,
): Animal => ({ noun, plural, call, food, home, mark, skill })

export const goose = animal(
  'goose',
  'geese',
  'honked',
  'clover',
  'in the reeds',
  'a long neck and webbed feet',
  'fly over the mountains',
)
export const animals: readonly Animal[] = [
  goose,
  animal('duck', 'ducks', 'quacked', 'pondweed', 'on the pond', 'a flat yellow bill', 'dive upside down'),
  animal(
    'swan',
    'swans',
    'hissed',
    'water lilies',
    'on the island',
    'wings as white as milk',
    'glide without a sound',
  ),
  animal(
    'heron',
    'herons',
    'croaked',
    'eels',
    'in the tall alder',
    'legs like two thin canes',
    'stand on one leg all day',
  ),
  animal(
    'otter',
    'otters',
    'whistled',
    'trout',
    'under the roots',
    'a tail like a rudder',
    'float on its back',
  ),
  animal('frog', 'frogs', 'sang', 'flies', 'under the lily leaf', 'big round eyes', 'jump across a ditch'),
  animal(
    'hedgehog',
    'hedgehogs',
    'snuffled',
    'slugs',
    'under the hedge',
    'a thousand prickles',
    'roll up like a ball',
  ),
  animal(
    'mouse',
    'mice',
    'squeaked',
    'barley',
    'behind the flour bin',
    'two tiny pink ears',
    'slip through a keyhole',
  ),
  animal(
    'fox',
    'foxes',
    'barked',
    'blackberries',
    'on the sandy bank',
    'a tail like a flame',
    'walk without a rustle',
  ),
  animal(
    'badger',
    'badgers',
    'grunted',
    'acorns',
    'below the oak',
    'two stripes on the face',
    'dig a tunnel in a night',
  ),
  animal(
    'owl',
    'owls',
    'hooted',
    'moths',
    'in the church tower',
    'eyes that shine at night',
    'see in the dark',
  ),
  animal(
    'hare',
    'hares',
    'thumped',
    'dandelions',
    'in the long grass',
    'the longest ears of all',
    'outrun the wind',
  ),
  animal(
    'crow',
    'crows',
    'cawed',
    'walnuts',
    'on the chimney',
    'feathers as black as coal',
    'remember every face',
  ),
  animal(
    'squirrel',
    'squirrels',
    'chattered',
    'hazelnuts',
    'in the hollow beech',
    'a bushy red tail',
    'leap from tree to tree',
  ),
  animal(
    'mole',
    'moles',
    'mumbled',
    'worms',
    'under the meadow',
    'hands like two spades',
    'find the way in the dark',
  ),
  animal(
    'goat',
    'goats',
    'bleated',
    'thistles',
    'on the rocky hill',
    'a beard but no razor',
    'climb the steepest wall',
  ),
  animal(
    'chicken',
    'chickens',
    'clucked',
    'corn',
    'in the red barn',
    'a comb but no hair',
    'wake up the whole village',
  ),
  animal(
    'donkey',
    'donkeys',
    'brayed',
    'carrots',
    'in the old stable',
    'ears like two grey socks',
    'carry four full sacks',
  ),
  animal(
    'beaver',
    'beavers',
    'slapped the water',
    'willow bark',
    'behind the dam',
    'two orange teeth',
    'fell a tree by moonlight',
  ),
  animal(
    'robin',
    'robins',
    'chirped',
    'rowan berries',
    'in the ivy',
    'a waistcoat as red as an apple',
    'sing in the snow',
  ),
]

/** A name has one pronoun in every story. */
export const sheNames =
  'Ada Bryony Clementine Dotty Elsie Fern Greta Hazel Ivy Juniper Kitty Lotte Mabel Nell Olive Pippa Rosalind Sorrel Tilly Ursula Violet Winnie Yarrow Zelda Marigold Agnes'.split(
    ' ',
  )
export const heNames =
  'Alder Basil Caspar Dobbin Edmund Fergus Gus Humphrey Ignatius Jasper Kit Linus Monty Ned Oswald Percy Quentin Rufus Sid Toby Ulric Victor Wilf Yorick Barnaby Rowan'.split(
    ' ',
  )

export const villages =
  'Little Sedge,Thornby,Oatcombe,Gander Green,Marrow Bridge,Lower Puddle,Candlewick,Nettlefold,Quillham,Butterby,Stonely,Featherstow,Mossworth,Applegarth'.split(
    ',',
  )
export const lakes =
  'Lake Ember,the Silver Mere,Otter Water,the Long Lake,Moon Pond,Lake Halloo,the Blue Tarn,Willow Water,the Quiet Mere,Lake Tumble'.split(
    ',',
  )

export const colours = 'red,blue,green,yellow,purple,orange,white,brown,striped,silver,golden,grey'.split(',')

/** Small things that get lost, given and found: the noun, and where one keeps it. */
export const treasures: readonly (readonly [string, string])[] = [
  ['scarf', 'around the neck'],
  ['button', 'in a matchbox'],
  ['kite', 'on the shelf'],
  ['bell', 'on a string'],
  ['marble', 'in a sock'],
  ['ribbon', 'in a drawer'],
  ['hat', 'on a hook'],
  ['whistle', 'in a pocket'],
  ['umbrella', 'behind the door'],
  ['lantern', 'at the window'],
  ['key', 'under the mat'],
  ['spoon', 'in a jug'],
  ['drum', 'beside the bed'],
  ['teapot', 'on the table'],
  ['blanket', 'at the foot of the bed'],
  ['mitten', 'in a basket'],
]

export const hidingPlaces =
  'in the old willow,under the bridge,behind the mill,in the haystack,at the bottom of the well,on the church roof,between two stones,under the jetty,in the rose bush,behind the bakery,inside the drainpipe,beside the signpost,in the wheelbarrow,under the cabbage leaves'.split(
    ',',
  )

export interface Trade {
  readonly title: string
  readonly tool: string
  readonly goods: string
  readonly workplace: string
  /** Completes "to ...". */
  readonly work: string
}
const trade = (title: string, tool: string, goods: string, workplace: string, work: string): Trade => ({
  title,
  tool,
  goods,
  workplace,
  work,
})
export const trades: readonly Trade[] = [
  trade('baker', 'rolling pin', 'a loaf of bread', 'the bakery', 'bake bread'),
  trade('miller', 'millstone', 'a sack of flour', 'the mill', 'grind the wheat'),
  trade('smith', 'hammer', 'a horseshoe', 'the forge', 'bend the iron'),
  trade('weaver', 'shuttle', 'a bolt of cloth', 'the weaving room', 'weave the wool'),
  trade('carpenter', 'saw', 'a three-legged stool', 'the workshop', 'cut the planks'),
  trade('fisherman', 'net', 'a silver trout', 'the jetty', 'catch the fish'),
  trade('gardener', 'spade', 'a basket of beans', 'the garden gate', 'dig the beds'),
  trade('shepherd', 'crook', 'a bundle of wool', 'the sheepfold', 'guide the sheep'),
  trade('potter', 'wheel', 'a brown jug', 'the kiln', 'turn the clay'),
  trade('beekeeper', 'smoker', 'a jar of honey', 'the orchard', 'calm the bees'),
  trade('candlemaker', 'copper pot', 'a box of candles', 'the wax house', 'melt the wax'),
  trade('clockmaker', 'tweezers', 'a ticking clock', 'the clock tower', 'set the tiny wheels'),
  trade('cobbler', 'awl', 'a pair of boots', 'the shoe shop', 'stitch the leather'),
  trade('tailor', 'scissors', 'a warm coat', 'the tailor shop', 'cut the cloth'),
  trade('ferryman', 'oar', 'a ride across the lake', 'the landing', 'row the boat'),
]

export type Season = 'spring' | 'summer' | 'autumn' | 'winter'
export const seasons: readonly Season[] = ['spring', 'summer', 'autumn', 'winter']

export interface Weather {
  readonly seasons: readonly Season[]
  /** Whole sentences. */
  readonly opening: string
  /** What follows from it. */
  readonly effect: string
  /** Completes "because of ...". */
  readonly noun: string
}
export const weathers: readonly Weather[] = [
  {
    seasons: ['spring', 'autumn'],
    opening:
      '{It had rained all night|Rain had drummed on the roofs since dawn|It had been raining for two days}.',
    effect: 'Because of the rain, the path was {all mud|soft and slippery|one long puddle}.',
    noun: 'the rain',
  },
  {
    seasons: ['spring', 'autumn', 'winter'],
    opening:
      '{The wind blew hard from the west|A wild wind shook the trees|The wind howled around the chimneys}.',
    effect:
      'Because of the wind, {hats flew over the hedges|the shutters banged|nobody could keep a hat on}.',
    noun: 'the wind',
  },
  {
    seasons: ['winter'],
    opening: '{Snow had fallen in the night|The first snow lay on the roofs|Thick snow covered the hills}.',
    effect:
      'Because of the snow, {every footprint could be seen|the whole village was quiet|the road was closed}.',
    noun: 'the snow',
  },
  {
    seasons: ['winter'],
    opening: '{It was bitterly cold|A hard frost had come|Icicles hung from every roof}.',
    effect:
      'Because of the frost, {the pump was frozen|the lake was hard as stone|the grass crackled underfoot}.',
    noun: 'the frost',
  },
  {
    seasons: ['summer'],
    opening:
      '{The sun was high and hot|It was the hottest day of the year|There was not one cloud in the sky}.',
    effect:
      'Because of the heat, {the stream was nearly dry|the dogs slept in the shade|everyone walked slowly}.',
    noun: 'the heat',
  },
  {
    seasons: ['autumn', 'spring'],
    opening: '{Fog lay on the water|A thick white fog had come up|The fog was as thick as porridge}.',
    effect:
      'Because of the fog, {nobody could see the far shore|the bell was rung every hour|all the boats stayed in}.',
    noun: 'the fog',
  },
  {
    seasons: ['spring', 'summer', 'autumn'],
    opening:
      '{It was a bright, fresh morning|The morning was clear and still|A soft breeze came over the water}.',
    effect: 'It was {good weather for a walk|the right day for washing|a day to be outside}.',
    noun: 'the fine weather',
  },
]

export const traits =
  'brave,careful,cheerful,clever,curious,dreamy,gentle,honest,hungry,kind,lazy,merry,patient,polite,proud,quiet,shy,sleepy,stubborn,tidy'.split(
    ',',
  )

export const vegetables: readonly (readonly [string, string])[] = [
  ['carrot', 'carrots'],
  ['leek', 'leeks'],
  ['onion', 'onions'],
  ['potato', 'potatoes'],
  ['turnip', 'turnips'],
  ['mushroom', 'mushrooms'],
  ['parsnip', 'parsnips'],
  ['pea pod', 'pea pods'],
  ['cabbage', 'cabbages'],
  ['tomato', 'tomatoes'],
  ['beet', 'beets'],
  ['radish', 'radishes'],
]
export const wares: readonly (readonly [string, string])[] = [
  ['egg', 'eggs'],
  ['apple', 'apples'],
  ['bun', 'buns'],
  ['plum', 'plums'],
  ['candle', 'candles'],
  ['pear', 'pears'],
  ['pancake', 'pancakes'],
  ['cherry', 'cherries'],
  ['biscuit', 'biscuits'],
  ['walnut', 'walnuts'],
  ['goose feather', 'goose feathers'],
  ['basket', 'baskets'],
]

export const days = 'Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday'.split(',')
export const numbers =
  'no,one,two,three,four,five,six,seven,eight,nine,ten,eleven,twelve,thirteen,fourteen,fifteen,sixteen,seventeen,eighteen,nineteen,twenty'.split(
    ',',
  )
export const ordinals = 'zeroth,first,second,third,fourth,fifth,sixth,seventh,eighth,ninth,tenth'.split(',')
