// Answers command lines in this process, as the program does in its own: for help and mistakes, which start nothing.
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { Io } from '../../src/cli/io.js'
import { runCommandLine } from '../../src/cli/program.js'
import { type Ended, realMain } from './processes.js'

export async function answer(args: readonly string[]): Promise<Ended> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const told = Promise.all([text(stdout), text(stderr)])
  const code = await runCommandLine(args, {
    io: new Io(stdout as unknown as NodeJS.WriteStream, stderr as unknown as NodeJS.WriteStream, process.env),
    script: realMain,
    loadPeer: () => Promise.reject(new Error(`a peer is started by ${args.join(' ')}`)),
  })
  stdout.end()
  stderr.end()
  const [said, complained] = await told
  return { code, stdout: said, stderr: complained }
}
