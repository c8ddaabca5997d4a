// Checks a finished trio run by its events: node check-run.mjs EVENTS [MOST_LOSS]
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

const [path, most = '3.0'] = process.argv.slice(2)
const events = readFileSync(path, 'utf8').trim().split('\n').map((line) => JSON.parse(line))
const of = (type) => events.filter((event) => event.type === type)

const [finished] = of('run-finished')
assert.ok(finished, 'the run finished')
const peers = [...new Set(of('joined').map(({ peer }) => peer))].sort()
assert.ok(peers.length >= 3, `three peers joined: ${peers}`)

assert.ok(finished.loss < Number(most), `validation loss ${finished.loss} is below ${most} nats per byte`)

const digests = new Map()
for (const { version, digest, peer } of of('digest')) {
  const held = digests.get(version) ?? new Map()
  digests.set(version, held.set(peer, digest))
}
assert.equal(digests.size, finished.versions + 1, 'every version has a digest')
for (const [version, held] of digests) {
  assert.equal(new Set(held.values()).size, 1, `version ${version} has one digest on all peers`)
  assert.deepEqual([...held.keys()].sort(), peers, `version ${version} is held by every peer`)
}

const contributors = new Set(of('applied').map(({ worker }) => worker))
assert.deepEqual([...contributors].sort(), peers, 'every peer contributed')

const assigned = new Map()
for (const { worker, steps, speed } of of('assigned')) {
  assigned.set(worker, [...(assigned.get(worker) ?? []), { steps, speed }])
}
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length
const bySpeed = [...assigned.values()]
  .map((rounds) => ({ steps: mean(rounds.map(({ steps }) => steps)), speed: mean(rounds.map(({ speed }) => speed)) }))
  .sort((a, b) => a.speed - b.speed)
for (let i = 1; i < bySpeed.length; i++) {
  assert.ok(bySpeed[i].steps > bySpeed[i - 1].steps, 'a faster peer is assigned more steps')
}
console.log(`validation loss ${finished.lossBefore.toFixed(3)} -> ${finished.loss.toFixed(3)} after ${finished.versions} versions in ${finished.seconds.toFixed(0)} s`)
for (const { peer, utilisation, emulated, eventLoopP99Ms } of of('peer-finished'))
  console.log(`${peer}: ${Math.round(100 * utilisation)} % of its time in local steps (${Math.round(100 * emulated)} % emulated), event-loop delay ${eventLoopP99Ms.toFixed(0)} ms at the 99th percentile`)
