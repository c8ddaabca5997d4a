#!/usr/bin/env node
// The `skein` command.
import { fileURLToPath } from 'node:url'
import { Io } from './io.js'
import { runCommandLine } from './program.js'

const code = await runCommandLine(process.argv.slice(2), {
  io: new Io(process.stdout, process.stderr, process.env),
  script: fileURLToPath(import.meta.url),
  loadPeer: async () => (await import('../node/run-peer.js')).runPeer,
})
// A leaked handle must not keep a finished command alive.
process.stdout.write('', () => process.exit(code))
