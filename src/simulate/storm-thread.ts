// A thread of a storm pool: takes seeds, gives results, one message each.
import { parentPort } from 'node:worker_threads'
import { storm } from './storm.js'

parentPort?.on('message', (seeds: readonly number[]) => {
  for (const seed of seeds) parentPort?.postMessage(storm(seed))
})
