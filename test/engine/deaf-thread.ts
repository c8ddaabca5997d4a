// A training thread that heeds no abort: it answers every call at once with the round that the call undoes.
import { parentPort } from 'node:worker_threads'
import { type Call, CLOSE, START } from '../../src/engine/calls.js'

const info = { name: 'deaf', reason: 'a test', threads: 1, parameters: 1 }
parentPort!.postMessage({ kind: 'done', id: START, gives: info })
parentPort!.on('message', (call: Call | typeof CLOSE) => {
  if (call === CLOSE) process.exit()
  parentPort!.postMessage({ kind: 'done', id: call.id, gives: call.undo })
})
