// Random small programs: compiled, they give what the cpu backend gives, and so do their gradients.
import * as tf from '@tensorflow/tfjs-core'
import * as fc from 'fast-check'
import { rewrite } from '../../../src/engine/trace/rewrite.js'
import type { Tensors } from '../../../src/engine/trace/trace.js'
import {
  assertEqualResults,
  compiled,
  execute,
  type Feeds,
  floats,
  forCpu,
  onCpu,
  type Program,
  plainly,
  record,
  repeated,
} from './programs.js'

const feeds: Feeds = {
  x: floats([2, 3], 1),
  y: floats([3, 2], 2),
  cube: floats([2, 3, 2], 3),
  row: floats([3], 4),
}

/** An operation on two values made before it; null where it does not fit them. */
type Instruction = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor | null

const broadcast = (operation: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Instruction => {
  return (a, b) => {
    const fits = [...a.shape].reverse().every((extent, i) => {
      const other = b.shape.at(-1 - i) ?? 1
      return extent === other || extent === 1 || other === 1
    })
    return fits ? operation(a, b) : null
  }
}

const matrices =
  (work: Instruction): Instruction =>
  (a, b) =>
    a.rank >= 2 && b.rank >= 2 ? work(a, b) : null

const product = (transposeA: boolean, transposeB: boolean): Instruction =>
  matrices((a, b) => {
    const inner = a.shape.at(transposeA ? -2 : -1)
    if (a.rank !== b.rank || inner !== b.shape.at(transposeB ? -1 : -2)) return null
    if (a.rank === 3 && a.shape[0] !== b.shape[0]) return null
    return tf.matMul(a, b, transposeA, transposeB)
  })

/** Those that have gradients. Sigmoids keep what is squared or multiplied from growing. */
const smooth: readonly Instruction[] = [
  broadcast(tf.add),
  broadcast(tf.sub),
  broadcast((a, b) => tf.mul(tf.sigmoid(a), b)),
  (a) => tf.sigmoid(a),
  (a) => tf.square(tf.sigmoid(a)),
  (a) => tf.mul(a, 0.5),
  (a) => (a.rank > 0 ? tf.sum(a, 0, true) : null),
  (a) => (a.rank > 0 ? tf.mean(a, -1) : null),
  (a) => (a.rank > 0 ? tf.softmax(a) : null),
  (a) => tf.reshape(a, [-1]),
  (a) => (a.size % 2 === 0 ? tf.reshape(a, [2, -1]) : null),
  (a) => (a.rank > 1 ? tf.transpose(a) : null),
  (a) => (a.rank === 3 ? tf.transpose(a, [1, 0, 2]) : null),
  (a) => (a.rank > 0 && a.shape[0] > 1 ? tf.slice(a, 1) : null),
  (a) => (a.rank <= 2 ? repeated(a, [2, ...a.shape]) : null),
  (a) => tf.sub(a, tf.fill(a.shape, 0.25)),
  product(false, false),
  product(true, false),
  product(false, true),
  product(true, true),
]

const all: readonly Instruction[] = [
  ...smooth,
  broadcast(tf.maximum),
  broadcast((a, b) => tf.where(tf.less(a, b), a, b)),
  (a) => tf.tanh(a),
  (a) => tf.neg(tf.abs(a)),
  (a) => tf.cast(tf.greater(a, 0), 'float32'),
  (a) => (a.rank > 0 && a.size < 100 ? tf.concat([a, a], -1) : null),
  (a) => (a.rank > 0 ? tf.max(a, -1, true) : null),
  (a) => (a.rank > 0 ? tf.gather(a, tf.tensor1d([0, 0], 'int32')) : null),
]

interface Chosen {
  readonly instruction: Instruction
  readonly left: number
  readonly right: number
}

const programsOf = (instructions: readonly Instruction[]) =>
  fc.array(
    fc.record({ instruction: fc.constantFrom(...instructions), left: fc.nat(999), right: fc.nat(999) }),
    { minLength: 3, maxLength: 14 },
  )

/** All values in their order, the fed ones first; arguments are counted back from the newest. */
function valuesOf(chosen: readonly Chosen[], fed: Tensors): tf.Tensor[] {
  const values = Object.values(fed)
  for (const { instruction, left, right } of chosen) {
    const [a, b] = [left, right].map((back) => values[values.length - 1 - (back % values.length)])
    const value = instruction(a, b)
    if (value !== null && value.size <= 200) values.push(value)
  }
  return values
}

describe('A random program', () => {
  it('gives what the cpu backend gives, as recorded, rewritten by no rule, and lowered for CPU', async () => {
    await fc.assert(
      fc.asyncProperty(programsOf(all), async (chosen) => {
        const program: Program = (fed) => {
          const named = valuesOf(chosen, fed).slice(-3)
          return Object.fromEntries(named.map((value, i) => [`value${i}`, value]))
        }
        const expected = await onCpu(feeds, program)
        const graph = await record(feeds, program)
        for (const lowered of [graph, rewrite(graph, []), forCpu(graph)]) {
          assertEqualResults(await execute(lowered, feeds), expected, 1e-5)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('has the gradients of the cpu backend', async () => {
    await fc.assert(
      fc.asyncProperty(programsOf(smooth), async (chosen) => {
        const loss = (...fed: tf.Tensor[]) => {
          const values = valuesOf(chosen, Object.fromEntries(fed.map((tensor, i) => [`fed${i}`, tensor])))
          // Every fed value has a part in it: TensorFlow.js refuses gradients that have none.
          const used = [...fed, ...values.slice(-2)]
          return used
            .map((value) => tf.sum(tf.sigmoid(value)))
            .reduce((sum, part) => tf.add(sum, part)) as tf.Scalar
        }
        const program: Program = (fed) => {
          const { value, grads } = tf.valueAndGrads(loss)(Object.values(fed))
          return { value, ...Object.fromEntries(grads.map((gradient, i) => [`gradient${i}`, gradient])) }
        }
        const expected = await onCpu(feeds, program)
        assertEqualResults(await compiled(feeds, program, plainly), expected, 1e-5)
        assertEqualResults(await compiled(feeds, program, forCpu), expected, 1e-5)
      }),
      { numRuns: 60 },
    )
  })
})
