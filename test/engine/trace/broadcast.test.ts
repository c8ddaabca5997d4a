// Broadcasting: the rule itself, and values that are repeated only where somebody needs them in full.
import assert from 'node:assert/strict'
import * as tf from '@tensorflow/tfjs-core'
import * as fc from 'fast-check'
import { broadcastShape, reducedShape } from '../../../src/engine/trace/shapes.js'
import {
  assertEqualResults,
  compiled,
  type Feeds,
  floats,
  forCpu,
  numbered,
  onCpu,
  operatorsOf,
  type Program,
  record,
  repeated,
} from './programs.js'

const shapes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 })

/** A shape, and two that broadcast to it. */
const broadcasting = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.boolean(), fc.boolean()), { maxLength: 3 })
  .chain((axes) => {
    const whole = axes.map(([extent]) => extent)
    const part = (side: 1 | 2) =>
      fc.integer({ min: 0, max: axes.length }).map((from) => {
        return axes.map((axis) => (axis[side] ? axis[0] : 1)).slice(from)
      })
    return fc.record({ whole: fc.constant(whole), left: part(1), right: part(2) })
  })

describe('The shape of an elementwise operation', () => {
  it('is that of TensorFlow.js for all shapes, also where they do not broadcast', () => {
    const result = (work: () => readonly number[]) => {
      try {
        return work()
      } catch {
        return 'refused'
      }
    }
    fc.assert(
      fc.property(shapes, shapes, (a, b) => {
        const expected = result(() => tf.broadcast_util.assertAndGetBroadcastShape(a, b))
        assert.deepEqual(
          result(() => broadcastShape(a, b)),
          expected,
        )
      }),
    )
  })
})

describe('The shape of a reduction', () => {
  it('loses the reduced axes, or keeps them with size 1', () => {
    assert.deepEqual(reducedShape([2, 3, 4], [1], false), [2, 4])
    assert.deepEqual(reducedShape([2, 3, 4], [0, 2], true), [1, 3, 1])
    assert.deepEqual(reducedShape([2, 3], [0, 1], false), [])
  })
})

type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor
const operations: readonly Binary[] = [tf.add, tf.sub, tf.mul, tf.maximum, tf.greater]

/** What one side of an operation is made of. */
const sides = fc.constantFrom('fed', 'repeated', 'uniform', 'neutral' as const)

function side(kind: string, fed: tf.Tensor, whole: number[]): tf.Tensor {
  switch (kind) {
    case 'repeated':
      return repeated(fed, whole)
    case 'uniform':
      return tf.fill(fed.shape, 0.75)
    case 'neutral':
      return tf.ones(fed.shape)
    default:
      return fed
  }
}

describe('An elementwise operation', () => {
  it('broadcasts as on the cpu backend, whatever its sides are made of', async () => {
    const operation = fc.constantFrom(...operations)
    await fc.assert(
      fc.asyncProperty(
        broadcasting,
        operation,
        sides,
        sides,
        async ({ whole, left, right }, apply, one, other) => {
          const feeds: Feeds = { a: floats(left, 1), b: floats(right, 2) }
          const program: Program = ({ a, b }) => {
            const result = apply(side(one, a, whole), side(other, b, whole))
            return { result, flat: tf.reshape(tf.cast(result, 'float32'), [-1]) }
          }
          assertEqualResults(await compiled(feeds, program), await onCpu(feeds, program))
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('A value that is repeated lazily', () => {
  const feeds: Feeds = { row: floats([3], 1), column: floats([2, 1], 2), x: floats([2, 3], 3) }
  const whole = [2, 3]

  it('is never written out by elementwise operators', async () => {
    const graph = await record(feeds, ({ row, column }) => {
      const [rows, columns] = [repeated(row, whole), repeated(column, whole)]
      return { y: tf.sum(tf.exp(tf.add(tf.square(rows), tf.sigmoid(columns)))) }
    })
    assert.equal(operatorsOf(graph).Expand, undefined)
    // The squares of a row are as many as the row has elements, not as the matrix has.
    const square = graph.nodes.find(({ operator }) => operator === 'Mul')!
    assert.deepEqual(square.outputs[0].shape, [3])
  })

  it('is right wherever it is needed in full', async () => {
    const uses: ((t: Readonly<Record<string, tf.Tensor>>) => tf.Tensor[])[] = [
      ({ rows, x }) => [tf.concat([rows, x], 0), tf.concat([rows, rows], 1)],
      ({ rows, x }) => [tf.matMul(rows, x, false, true), tf.matMul(x, rows, true, false)],
      ({ rows, columns }) => [tf.matMul(rows, tf.transpose(columns))],
      ({ rows, columns }) => [rows, columns, tf.reshape(columns, [3, 2])],
      ({ rows }) => [tf.sum(rows), tf.sum(rows, 0), tf.mean(rows, 1), tf.max(rows, 0), tf.softmax(rows)],
      ({ rows, columns }) => [
        tf.transpose(rows),
        tf.slice(columns, [1, 1], [1, 2]),
        tf.pad(rows, [
          [0, 1],
          [1, 0],
        ]),
      ],
      ({ rows, columns }) => [tf.gather(rows, [1, 0, 1]), tf.tile(columns, [2, 1]), ...tf.split(rows, 3, 1)],
      ({ rows, columns, x }) => [
        tf.where(tf.greater(rows, columns), rows, x),
        tf.where(tf.greater(x, 0), x, columns),
      ],
      ({ rows }) => [repeated(rows, [4, 2, 3]), tf.sum(repeated(rows, [4, 2, 3]), 0)],
      ({ rows }) => [tf.stack([rows, rows], 1), tf.expandDims(rows, 1), tf.addN([rows, rows])],
    ]
    for (const use of uses) {
      const program: Program = ({ row, column, x }) => {
        return numbered(use({ rows: repeated(row, whole), columns: repeated(column, whole), x }))
      }
      const expected = await onCpu(feeds, program)
      assertEqualResults(await compiled(feeds, program), expected)
      assertEqualResults(await compiled(feeds, program, forCpu), expected)
    }
  })
})
