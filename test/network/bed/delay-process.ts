// A proxy for a long way between two networks: what it takes in on a port leaves for another host so much later, either
// way. Started as `node delay-process.js PORT HOST HOST-PORT MS`.
import { connect, createServer } from 'node:net'
import { fairWeather, Lane, Way } from '../../../src/faults/lane.js'

const [port, host, hostPort, ms] = process.argv.slice(2)

function way(): Way {
  const made = new Way()
  made.weather = { ...fairWeather, delayMs: Number(ms) }
  return made
}

const [there, back] = [way(), way()]
const door = createServer({ allowHalfOpen: true }, (caller) => {
  const called = connect({ host, port: Number(hostPort), allowHalfOpen: true })
  for (const [from, to, over] of [
    [caller, called, there],
    [called, caller, back],
  ] as const)
    new Lane(from, to, over)
})
door.listen(Number(port), '0.0.0.0')
process.stdin.resume().on('end', () => process.exit())
