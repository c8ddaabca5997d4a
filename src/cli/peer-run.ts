// Runs one peer in this process, for `peer` and `join`, and for the processes that `up` forks.
import { UserError } from '../core/user-error.js'
import type { PeerOptions, PeerOutcome } from '../node/options.js'
import { diagnosticLog } from '../observe/diagnostics.js'
import { unseenSwarm } from '../observe/swarm-view.js'
import { failedMessage, tellParent } from './child-channel.js'
import type { CommandContext, ExitCode } from './context.js'
import { Display } from './display.js'
import { withEarlierEvents } from './earlier-events.js'
import { INTERRUPTED, onInterrupt } from './interrupts.js'
import { afterRunCommands } from './next-commands.js'

export interface PeerRunOptions {
  readonly peer: PeerOptions
  readonly json: boolean
  /** Command line that goes on where this peer was stopped; asked for once it has. */
  readonly goOn: () => string
}

// A stop is promised within 2 s; a peer that cannot save by then would not in 20 either.
const STOP_LIMIT_MS = 1800

/** Runs a peer to its end and shows it. */
export async function runAndShow(context: CommandContext, options: PeerRunOptions): Promise<ExitCode> {
  const { peer, json, goOn } = options
  const { verbose, name, folder } = peer
  const runPeer = await context.loadPeer()
  const known = peer.swarm?.peers ?? []
  const unseen = unseenSwarm(known, peer.stopAfter)
  const state = peer.resume ? await withEarlierEvents(unseen, folder) : unseen
  const display = new Display(context.io, { json, verbose }, state)
  const log = diagnosticLog(name, verbose ? 'debug' : 'silent')
  const stop = stopSignal(() => display.summarize(folder, [goOn()]))
  context.io.whenClosed(() => {
    display.silence()
    stop.abort()
  })
  try {
    const outcome = await runPeer(
      peer,
      (record) => {
        log(record)
        display.record(record)
      },
      stop.signal,
    )
    if (outcome.kind === 'stopped') display.summarize(folder, [goOn()])
    else display.summarize(folder, display.hasCheckpoint ? afterRunCommands(folder) : [], outcome.reason)
    return exitCode(outcome)
  } finally {
    display.close()
    stop.done()
  }
}

/** Runs a peer for the process that forked this one: what happens goes to the parent. */
export async function runForParent(context: CommandContext, peer: PeerOptions): Promise<ExitCode> {
  const stop = stopSignal(() => {})
  // Nobody would ever stop a peer whose parent died: listened for before the slow loading begins.
  process.once('disconnect', () => stop.abort())
  const runPeer = await context.loadPeer()
  const log = diagnosticLog(peer.name, peer.verbose ? 'debug' : 'warn')
  try {
    const outcome = await runPeer(
      peer,
      (record) => {
        log(record)
        void tellParent({ kind: 'record', record })
      },
      stop.signal,
    )
    await tellParent({ kind: 'outcome', outcome })
    return exitCode(outcome)
  } catch (error) {
    if (error instanceof UserError) await tellParent(failedMessage(error))
    throw error
  } finally {
    stop.done()
  }
}

const exitCode = (outcome: PeerOutcome): ExitCode => (outcome.kind === 'finished' ? 0 : INTERRUPTED)

interface StopSignal {
  readonly signal: AbortSignal
  abort(): void
  /** Stops listening for signals. */
  done(): void
}

/**
 * Aborts on the first Ctrl-C; ends the process on the second, or when stopping takes too long.
 *
 * @param lastWords what to say before the process is ended
 */
function stopSignal(lastWords: () => void): StopSignal {
  const controller = new AbortController()
  const endNow = () => {
    lastWords()
    // As if there were no one to catch it: an orderly exit would wait for a training step to end.
    process.removeAllListeners('SIGINT')
    process.kill(process.pid, 'SIGINT')
  }
  const abort = () => {
    if (controller.signal.aborted) return
    controller.abort()
    setTimeout(endNow, STOP_LIMIT_MS).unref()
  }
  const done = onInterrupt((times) => (times === 1 ? abort() : endNow()))
  return { signal: controller.signal, abort, done }
}
