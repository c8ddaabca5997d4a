// A training thread that starts well and dies at its first call, in the way that its engine's name says.
import { parentPort, workerData } from 'node:worker_threads'
import { START, type ThreadSetup } from '../../src/engine/calls.js'

const { setup } = workerData as ThreadSetup
const info = { name: setup.engine, reason: 'a test', threads: 1, parameters: 1 }
parentPort!.postMessage({ kind: 'done', id: START, gives: info })
parentPort!.on('message', () => {
  if (setup.engine === 'throws') throw new Error('error 7')
  process.exit(7)
})
