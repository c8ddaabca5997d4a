// What a lying peer says: messages of a leader, of voters, of others' workers, made up but well formed.
import type { Assignment } from '../core/entries.js'
import { assignmentId, type Hash, hash, type PeerId } from '../core/ids.js'
import type { LedgerState } from '../core/ledger.js'
import type { LogPoint, Manifest, Message } from '../core/messages.js'
import { fragmentCount } from '../outer/fragments.js'
import { fp32 } from '../tensor/fp32.js'
import type { Dice } from './dice.js'
import { contributionOf } from './peer.js'
import type { SimulatedSwarm } from './swarm.js'

/** What lies are made of. */
interface Knowledge {
  readonly dice: Dice
  readonly ledger: LedgerState
  readonly liar: PeerId
  readonly victim: PeerId
}

/** Far ahead of any term, entry or version of a storm. */
const far = 1_000

const kinds = {
  heartbeat: ({ dice, ledger }) => ({
    type: 'heartbeat',
    ...fenced(dice, ledger),
    index: about(dice, ledger.index),
    version: about(dice, ledger.version),
    beat: 0,
    elapsedMs: far,
    replicasAt: about(dice, ledger.replicasAt),
  }),
  append: (known) => ({
    type: 'append',
    ...fenced(known.dice, known.ledger),
    prev: lastOf(known),
    entries: [{ kind: 'finish', reason: 'a lie', ok: false, ...nextOf(known) }],
    commit: known.ledger.index + 1,
  }),
  'ask-vote': (known) => ({
    type: 'ask-vote',
    ...fenced(known.dice, known.ledger),
    pre: known.dice.chance(0.5),
    transfer: known.dice.chance(0.5),
    last: { index: far, term: far },
  }),
  vote: ({ dice, ledger }) => ({
    type: 'vote',
    ...fenced(dice, ledger),
    pre: dice.chance(0.5),
    granted: dice.chance(0.8),
    reason: 'a lie',
  }),
  'take-over': ({ dice, ledger }) => ({ type: 'take-over', ...fenced(dice, ledger) }),
  appended: ({ dice, ledger }) => ({
    type: 'appended',
    ...fenced(dice, ledger),
    ok: dice.chance(0.7),
    index: about(dice, ledger.index),
  }),
  finish: (known) => ({
    type: 'entries',
    ...fenced(known.dice, known.ledger),
    entries: [{ kind: 'finish', reason: 'a lie', ok: false, ...nextOf(known) }],
  }),
  eviction: (known) => ({
    type: 'entries',
    ...fenced(known.dice, known.ledger),
    entries: [{ kind: 'evict', peer: known.victim, left: false, reason: 'a lie', ...nextOf(known) }],
  }),
  settled: ({ dice, ledger }) => ({
    type: 'settled',
    ...fenced(dice, ledger),
    assignment: openOf(dice, ledger)?.id ?? assignmentId(far),
    outcome: dice.pick(['apply', 'refuse', 'expire']),
    version: null,
  }),
  version: ({ dice, ledger }) => ({
    type: 'version',
    ...fenced(dice, ledger),
    version: about(dice, ledger.version),
    digest: anyHash(dice),
    stateDigest: anyHash(dice),
  }),
  heal: ({ dice, ledger }) => ({
    type: 'heal',
    ...fenced(dice, ledger),
    version: ledger.version,
    stateDigest: anyHash(dice),
  }),
  pulse: ({ dice, ledger }) => ({
    type: 'pulse',
    ...fenced(dice, ledger),
    beat: dice.chance(0.5) ? far * far : 0,
    index: about(dice, ledger.index),
    held: { version: about(dice, ledger.version), stateDigest: anyHash(dice) },
    phase: 'idle',
    assignments: [],
    step: 0,
  }),
  'digest-of': ({ dice, ledger }) => ({
    type: 'digest-of',
    ...fenced(dice, ledger),
    version: about(dice, ledger.version),
    stateDigest: anyHash(dice),
  }),
  redirect: ({ dice, ledger }) => ({
    type: 'redirect',
    ...fenced(dice, ledger),
    leader: 'id-nobody' as PeerId,
    replicas: [{ peer: 'id-nobody' as PeerId, addresses: [] }],
  }),
  'offer-of-another': ({ dice, ledger }) => ({
    type: 'offer',
    manifest: manifestOf(dice, openOf(dice, ledger)),
  }),
  'offer-of-nothing': ({ dice }) => ({ type: 'offer', manifest: manifestOf(dice, undefined) }),
  'give-up-of-another': ({ dice, ledger }) => ({
    type: 'give-up',
    assignment: openOf(dice, ledger)?.id ?? assignmentId(far),
    reason: 'a lie',
  }),
  validated: ({ ledger }) => ({ type: 'validated', version: ledger.version, loss: 1e-9 }),
  farewell: () => ({
    type: 'farewell',
    utilisation: 1,
    emulated: 0,
    bytesSent: {},
    interClusterBytes: 0,
  }),
} satisfies Record<string, (known: Knowledge) => Message>

export const lieKinds: readonly string[] = [...Object.keys(kinds), 'contribution']

/** One lie of the liar to the victim, on its way; returns what it was. */
export function lie(swarm: SimulatedSwarm, dice: Dice, liar: string, victim: string): string {
  const { ledger } = swarm.promises
  const [from, to] = [liar, victim].map((name) => swarm.peers.get(name)?.id)
  const kind = dice.pick(lieKinds)
  if (from === undefined || to === undefined || kind === undefined) return 'nothing'
  if (kind === 'contribution') {
    const values = new Float32Array(swarm.task.dimensions).fill(dice.roll())
    const given = openOf(dice, ledger)
    const assignment = given ?? { id: assignmentId(dice.whole(1, far)), base: 0, steps: 1 }
    const fragments = fragmentCount(swarm.options.run)
    const measured = { speed: 1, loss: 1 }
    const { manifest, gradient } = contributionOf(assignment, values, null, fp32, measured, fragments)
    swarm.injectContribution(liar, victim, manifest, gradient)
  } else {
    const make: (known: Knowledge) => Message = kinds[kind as keyof typeof kinds]
    swarm.inject(liar, victim, make({ dice, ledger, liar: from, victim: to }))
  }
  return kind
}

const fenced = (dice: Dice, { term, configuration }: LedgerState) => ({
  epoch: Math.max(0, configuration.epoch - (dice.chance(0.1) ? 1 : 0)),
  term: dice.pick([term, term + 1, term + far, Math.max(0, term - 1)]),
})

const about = (dice: Dice, value: number): number => dice.pick([value, value, value + 1, value + far, 0])

const lastOf = ({ ledger: { index, term } }: Knowledge): LogPoint => ({ index, term })

const nextOf = ({ ledger: { index, term } }: Knowledge): LogPoint => ({ index: index + 1, term })

const openOf = (dice: Dice, { open }: LedgerState): Assignment | undefined => dice.pick(Object.values(open))

const anyHash = (dice: Dice): Hash =>
  hash(
    dice
      .whole(0, 2 ** 48)
      .toString(16)
      .padStart(64, '0'),
  )

function manifestOf(dice: Dice, assignment: Assignment | undefined): Manifest {
  const payload = anyHash(dice)
  return {
    assignment: assignment?.id ?? assignmentId(far + dice.whole(0, far)),
    base: assignment?.base ?? 0,
    steps: assignment?.steps ?? 1,
    codec: 'fp32',
    payload,
    bytes: 32,
    chunkBytes: 32,
    chunks: [payload],
    norm: 1,
    speed: 1e9,
    loss: 0,
  }
}
