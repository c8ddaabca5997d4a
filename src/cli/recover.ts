// `skein recover RUN-FOLDER --name NAME --force`: lets a run go on whose majority of voters is gone for good.
import type { Command } from 'commander'
import { UserError } from '../core/user-error.js'
import { commandLine } from './command-line.js'
import type { CommandContext, ExitCode } from './context.js'
import { type RecoveryPlan, recover } from './forced-recovery.js'

interface RecoverOptions {
  readonly name: string
  readonly above: boolean
  readonly force: boolean
}

/** Adds the command. */
export function addRecover(program: Command, { io }: CommandContext, exit: (code: ExitCode) => void): void {
  program
    .command('recover')
    .argument('<run-folder>', 'folder of a run, as in runs/trio')
    .summary('lets a run go on whose majority of voters is gone for good')
    .description(
      'Makes one replica that is left the only voter of its run, when a majority of the voters will never come back. What only the others held is lost. Without --force it says what would happen and changes nothing.',
    )
    .requiredOption(
      '--name <name>',
      'the replica that is to vote alone; it must not run; example: --name branta',
    )
    .option(
      '--above',
      'of a hierarchical run: recovers the swarm above the clusters instead of the own swarm of its cluster; example: --name branta --above',
      false,
    )
    .option('--force', 'does it; example: --name branta --force', false)
    .addHelpText(
      'after',
      '\nExamples:\n  skein recover runs/trio --name branta --force\n  skein recover runs/hierarchy --name branta --above --force',
    )
    .action(async (folder: string, options: RecoverOptions) => {
      const { force } = options
      const plan = await recover({ folder, ...options })
      io.stdout.write(`${(force ? doneLines : planLines)(plan).join('\n')}\n`)
      if (!force) throw notForced(folder, options)
      exit(0)
    })
}

const ledgerOf = {
  run: 'the ledger',
  cluster: "its cluster's ledger",
  above: 'the ledger above the clusters',
} as const

const holds = ({ name, swarm, last, snapshot }: RecoveryPlan): string =>
  `${name} holds ${ledgerOf[swarm]} up to entry ${last.index} of term ${last.term}; its newest snapshot is of version ${snapshot.version}, at entry ${snapshot.index}`

function planLines(plan: RecoveryPlan): string[] {
  const { name, swarm, voters, last, epoch } = plan
  const others = voters.filter((voter) => voter !== name)
  const names = others.join(', ')
  return [
    holds(plan),
    `voters now: ${voters.join(', ')}`,
    `with --force ${name} becomes the only voter, and ${subjectOf[swarm]} goes on from entry ${last.index} as epoch ${epoch}:`,
    ...(others.length === 0
      ? ['  - it is the only voter already: nothing can be lost, and nothing is gained']
      : [
          `  - entries after ${last.index} that ${names} acknowledged without ${name} are lost, and with them the contributions that they applied; ${whatOfThose[swarm]}`,
          `  - ${names} will not vote any more, for good: if they come back they join the run anew`,
          `  - do it only if ${names} will not come back, or not enough of them: two that go on by themselves would make another run of it`,
        ]),
    '  - one voter is not fault-tolerant; others are made voters as soon as they have proved themselves',
  ]
}

const subjectOf = { run: 'the run', cluster: 'its cluster', above: 'the swarm above' } as const

const whatOfThose = {
  run: 'the text of those is given again',
  cluster:
    'the text of those is given again; what the cluster has moved and not reported is given up as well, for it cannot be told what of it counts above already',
  above: 'a cluster whose report was among them reports it again, unless it had heard that it was applied',
} as const

const doneLines = (plan: RecoveryPlan): string[] => [
  holds(plan),
  `${plan.name} is the only voter now, in epoch ${plan.epoch}; ${subjectOf[plan.swarm]} goes on from entry ${plan.last.index} when it is started again with --resume`,
]

const notForced = (folder: string, { name, above }: RecoverOptions): UserError =>
  new UserError(
    'refused',
    'nothing was changed: this is what --force would do',
    `if the others are gone for good, give ${commandLine(['recover', folder, '--name', name, ...(above ? ['--above'] : []), '--force'])}`,
  )
