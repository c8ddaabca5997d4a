// `skein revoke RUN-FOLDER WHO`: shuts a peer out of a run for good, or everyone who came by a ticket.
import type { Command } from 'commander'
import { type PeerId, peerId } from '../core/ids.js'
import { UserError } from '../core/user-error.js'
import type { PeerStatus } from '../ports/status.js'
import { peerPaths } from '../store/run-paths.js'
import { isTicket, readTicket } from '../wire/ticket.js'
import type { CommandContext, ExitCode } from './context.js'
import { withProgress } from './progress.js'
import { type FolderPeer, peersOfFolder } from './run-peers.js'

interface RevokeOptions {
  readonly reason: string
}

/** A peer looks for orders once a second, and an election takes seconds. */
const PATIENCE_MS = 20_000
const LOOK_MS = 200
const LOOKS_PER_ORDER = 15

/** Adds the command. */
export function addRevoke(program: Command, context: CommandContext, exit: (code: ExitCode) => void): void {
  program
    .command('revoke')
    .argument('<run-folder>', 'folder of a run of which a voter runs on this machine, as in runs/trio')
    .argument('<who>', 'name or id of a peer; or a ticket, or the id that `skein ticket` gave for one')
    .summary('shuts a peer out of a run for good, or everyone who came by a ticket')
    .description(
      'Shuts a peer out of a run for good: it is hung up on everywhere, and the tickets that it issued and the certificates that it signed are void. With a ticket, or its id, nobody comes in by it any more, and all who did are shut out. A voter that runs on this machine asks the leader for it; the founder cannot be shut out. In a hierarchical run one that votes above the clusters has it done in all of them, another in its own cluster alone.',
    )
    .option(
      '--reason <text>',
      'why, for the ledger and for the peer; example: --reason "stolen laptop"',
      'revoked by a user',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  skein revoke runs/trio attic --reason "stolen laptop"\n  skein revoke runs/trio skein1...',
    )
    .action(async (folder: string, text: string, { reason }: RevokeOptions) => {
      const voter = votingPeer(await peersOfFolder(folder), folder)
      const who = target(text, voter.status)
      const { giveOrder } = await import('../node/orders.js')
      const order = () => giveOrder(peerPaths(folder, voter.name).orders, { shutOut: who, reason })
      await withProgress(context.io, 'revoking', () => untilRevoked(folder, who, order))
      const name = text.length > 60 ? who : text
      context.io.stdout.write(`${name} is shut out${ofWhat(voter.status)}: ${reason}\n`)
      exit(0)
    })
}

type Told = FolderPeer & { readonly status: PeerStatus }

/** Of a hierarchical run rather one that votes above the clusters: those shut out of every one. */
function votingPeer(peers: readonly FolderPeer[], folder: string): Told {
  const running = peers.filter((peer): peer is Told => peer.running && peer.status !== null)
  const voter =
    running.find(({ status }) => votesAbove(status)) ??
    running.find(({ status }) => isAmong(status.voters, status))
  if (voter !== undefined) return voter
  throw new UserError(
    'refused',
    `no voter of the run runs from ${folder}, and only voters may have others shut out`,
    'give the command on the machine of a voter; `skein status RUN-FOLDER` says who votes',
  )
}

const isAmong = (voters: PeerStatus['voters'], { id }: PeerStatus): boolean =>
  voters?.some((voter) => voter.id === id) === true

const votesAbove = (status: PeerStatus): boolean => isAmong(status.above?.voters ?? null, status)

function ofWhat(status: PeerStatus): string {
  if (status.above === null || votesAbove(status)) return ''
  const voters = status.above.voters?.map(({ name }) => name).join(', ') ?? ''
  const whom = voters === '' ? 'one of those who vote above the clusters' : `one of ${voters}`
  return ` of cluster ${status.cluster} alone (for the whole run, give the command where ${whom} runs)`
}

/** @throws UserError if it is nobody's name, and no id */
function target(text: string, { members }: PeerStatus): PeerId {
  if (isTicket(text)) {
    const holder = readTicket(text).invitation?.chain.at(-1)?.holder
    if (holder !== undefined) return holder
    throw new UserError('usage', 'the ticket holds no invitation: its run is open to everyone', 'name a peer')
  }
  const named = members.filter(({ name }) => name === text)
  const member = named.find(({ present }) => present) ?? named[0]
  if (member !== undefined) return member.id
  if (/^12D3Koo[1-9A-HJ-NP-Za-km-z]{45}$/.test(text)) return peerId(text)
  throw new UserError(
    'usage',
    `nobody in the run is named ${text}, and it is neither an id nor a ticket`,
    `name one of ${members.map(({ name }) => name).join(', ')}, or give an id as \`skein status --json\` and \`skein ticket --json\` print them`,
  )
}

/** A leader that is not sure to lead, or about to change, lets an order pass: it is given again. */
async function untilRevoked(folder: string, who: PeerId, order: () => void): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS
  for (let look = 0; Date.now() < deadline; look++) {
    if (look % LOOKS_PER_ORDER === 0) order()
    const told = await peersOfFolder(folder)
    if (told.some(({ status }) => status?.revoked.some((entry) => entry.who === who))) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  throw new UserError(
    'refused',
    `the leader did not take it up within ${PATIENCE_MS / 1000} s`,
    'look at the events of the run: the founder and the leader cannot be shut out, and without a majority of the voters nothing is written',
  )
}
