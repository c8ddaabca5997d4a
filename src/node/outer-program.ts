// The program of the thread of the outer state: it runs no native engine, whose arithmetic flushes small numbers.
import { parentPort, workerData } from 'node:worker_threads'
import { decodeSnapshot, encodeSnapshot } from '../store/snapshot.js'
import { codecsOf } from '../tensor/codec.js'
import { type Answer, type Call, type Calls, type OuterSetup, type OwnState, toWords } from './outer-calls.js'
import { compileOuterKernels } from './outer-kernels.js'
import { OuterSteps } from './outer-steps.js'

const port = parentPort
if (port === null) throw new Error('This program is for a worker thread.')
const { compression, ...rules } = workerData as OuterSetup
// Reports of a cluster have a codec of their own.
const codecs = codecsOf(rules.hierarchy === undefined ? compression : { ...compression, codec: 'auto' })
const steps = compileOuterKernels().then((compiled) => new OuterSteps(rules, codecs, compiled))

let previous: Promise<unknown> = Promise.resolve()
port.on('message', (call: Call) => {
  previous = previous.then(() => handle(call))
})

async function handle(call: Call): Promise<void> {
  try {
    const outer = await steps
    const { gives, transfer } = perform(outer, call)
    port?.postMessage({ kind: 'done', id: call.id, gives } satisfies Answer, transfer)
    // While the answer is on its way.
    outer.prepare()
  } catch (error) {
    port?.postMessage({ kind: 'failed', id: call.id, error: toWords(error) } satisfies Answer)
  }
}

interface Outcome {
  readonly gives: Calls[Call['name']]['gives']
  readonly transfer: ArrayBuffer[]
}

function perform(steps: OuterSteps, { name, takes }: Call): Outcome {
  switch (name) {
    case 'install': {
      const made = steps.install(takes.outer, takes.version, takes.expected)
      return { gives: { ...made, inbox: steps.inbox }, transfer: [made.theta.buffer] }
    }
    case 'receive': {
      const { outer, ledger } = decodeSnapshot(takes.bytes)
      const made = steps.install(outer as OwnState, ledger.version, takes.expected)
      return { gives: { ...made, inbox: steps.inbox, ledger }, transfer: [made.theta.buffer] }
    }
    case 'apply': {
      const made = steps.apply(takes)
      return { gives: made, transfer: [made.theta.buffer] }
    }
    case 'merge': {
      const made = steps.merge(takes)
      return { gives: made, transfer: [made.theta.buffer] }
    }
    case 'report':
      return { gives: steps.report(takes.codec), transfer: [] }
    case 'slots': {
      const slots = steps.slotsOf(takes.stateDigest)
      return { gives: slots, transfer: Object.values(slots ?? {}).map(({ buffer }) => buffer) }
    }
    case 'encode':
      return encoded(steps, takes)
  }
}

function encoded(steps: OuterSteps, { phases, ...rest }: Calls['encode']['takes']): Outcome {
  const slots = steps.slotsOf(rest.stateDigest)
  if (slots === null) return { gives: null, transfer: [] }
  const theta = new Float32Array(steps.length)
  const bytes = encodeSnapshot({ outer: { theta, slots, phases }, ...rest })
  // The vectors come last, theta first of them.
  const thetaAt = bytes.length - (1 + Object.keys(slots).length) * theta.byteLength
  // Small ones may share their memory with others.
  const { buffer } = bytes
  const own = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length
  return { gives: { bytes, thetaAt }, transfer: own ? [buffer] : [] }
}
