// What commands need from outside: streams, the script that forked peers run, the peer itself.
import type { RunPeer } from '../node/options.js'
import type { Io } from './io.js'

export interface CommandContext {
  readonly io: Io
  /** Script that a forked peer runs, with the arguments of this command line. */
  readonly script: string
  /** Loads the peer: late, so that help and mistakes are answered without loading network and engine. */
  readonly loadPeer: () => Promise<RunPeer>
}

/** An action's result: the exit code of the program. */
export type ExitCode = number
