// The training thread: owns the engine and answers calls one after another.
import { readlinkSync } from 'node:fs'
import os from 'node:os'
import { basename } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { resolveModel } from '../model/config.js'
import { layoutOf } from '../model/parameters.js'
import type { EngineInfo, RoundResult, StepReport } from '../ports/trainer.js'
import { openBackend } from './backends.js'
import { type Answer, type Call, START, type ThreadSetup, toWords } from './calls.js'
import { eagerEngine } from './eager.js'
import { LocalTrainer, type RoundControl } from './local-trainer.js'

/** Niceness of the thread: below the network thread, which needs little but needs it soon. */
const TRAINING_NICENESS = 10

const port = parentPort!
const { setup, aborted } = workerData as ThreadSetup

/** The last round that finished: it stands unless a later call says that it was aborted. */
let finished: number | null = null

const opened = open()
opened.then(
  ({ info }) => answer({ kind: 'done', id: START, gives: info }),
  (error) => answer({ kind: 'failed', id: START, error: toWords(error) }),
)

let previous: Promise<unknown> = opened.catch(() => {})
port.on('message', (call: Call) => {
  previous = previous.then(() => handle(call))
})

async function open(): Promise<{ trainer: LocalTrainer; info: EngineInfo }> {
  lowerPriority()
  const backend = await openBackend(setup.engine, setup.threads)
  const model = resolveModel(setup.model, setup.tokens.vocabulary)
  const engine = eagerEngine(backend, model, setup.inner)
  const { name, reason, threads } = engine
  const info = { name, reason, threads, parameters: layoutOf(model).size }
  return { trainer: new LocalTrainer(engine, model, setup), info }
}

async function handle(call: Call): Promise<void> {
  try {
    const { trainer } = await opened
    if (finished === call.undo) {
      trainer.undo()
      finished = null
    }
    const { gives, transfer } = await perform(trainer, call)
    answer({ kind: 'done', id: call.id, gives }, transfer)
  } catch (error) {
    answer({ kind: 'failed', id: call.id, error: toWords(error) })
  }
}

type Outcome = Pick<Extract<Answer, { kind: 'done' }>, 'gives'> & { transfer: ArrayBuffer[] }

async function perform(trainer: LocalTrainer, { id, name, takes }: Call): Promise<Outcome> {
  switch (name) {
    case 'initial': {
      const theta = trainer.initial()
      return { gives: theta, transfer: [theta.buffer as ArrayBuffer] }
    }
    case 'rehearse':
      return { gives: await trainer.rehearse(takes.theta), transfer: [] }
    case 'train': {
      const result = await trainer.train(takes, controlOf(id))
      finished = id
      return handOver(result)
    }
    case 'restore':
      trainer.restore(takes)
      return { gives: null, transfer: [] }
    case 'evaluate':
      return { gives: await trainer.evaluate(takes.theta, takes.batches), transfer: [] }
    case 'generate':
      return { gives: await trainer.generate(takes), transfer: [] }
  }
}

/** The inner state goes out as a copy: the thread goes on with its own. */
function handOver(result: RoundResult): Outcome {
  const { gradient, inner } = result
  const copy = { ...inner, m: inner.m.slice(), v: inner.v.slice() }
  const transfer = [gradient, copy.m, copy.v].map((values) => values.buffer as ArrayBuffer)
  return { gives: { ...result, inner: copy }, transfer }
}

function controlOf(id: number): RoundControl {
  const isAborted = () => Atomics.load(aborted, 0) === id
  return {
    isAborted,
    sleep: (ms) => {
      const seen = Atomics.load(aborted, 0)
      if (seen !== id) Atomics.wait(aborted, 0, seen, ms)
    },
    onStep: (report: StepReport) => answer({ kind: 'step', id, report }),
  }
}

function answer(message: Answer, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}

/** Linux takes a thread's id where a process's is asked for; elsewhere threads share the process's priority. */
function lowerPriority(): void {
  if (process.platform !== 'linux') return
  try {
    os.setPriority(Number(basename(readlinkSync('/proc/thread-self'))), TRAINING_NICENESS)
  } catch {
    // A sandbox without /proc, or one that forbids it: training works all the same, the network less smoothly.
  }
}
