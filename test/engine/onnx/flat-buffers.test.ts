// Flat buffers and the kernels that go over them: where tensors lie, and that every address counts.
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import { UserError } from '../../../src/core/user-error.js'
import { checkFlatBuffers, FlatBuffers } from '../../../src/engine/onnx/flat-buffers.js'
import {
  compileFlatKernels,
  type FlatKernels,
  flatKernels,
  LANES,
} from '../../../src/engine/onnx/flat-kernels.js'
import { layOut } from '../../../src/tensor/layout.js'
import { made } from '../../model/backend.js'

/** Neither its decayed part nor the rest fills whole vectors. */
const layout = layOut([
  { name: 'bias', shape: [5], decayed: false },
  { name: 'weight', shape: [3, 3], decayed: true },
  { name: 'gain', shape: [2], decayed: false },
])

describe('Flat buffers', () => {
  const open = async (count: number) => new FlatBuffers(layout, count, await compileFlatKernels())

  it('give back what was written, each its own, and show each tensor in its place', async () => {
    const buffers = await open(3)
    const written = [1, 2, 3].map((seed) => made(layout.size, seed))
    for (const [buffer, values] of written.entries()) buffers.write(buffer, values)
    for (const [buffer, values] of written.entries()) {
      assert.deepEqual(buffers.read(buffer), values)
      for (const tensor of layout.tensors) {
        const { offset, size } = tensor
        assert.deepEqual(buffers.view(buffer, tensor).slice(), values.slice(offset, offset + size))
      }
    }
  })

  it('have zeros between the decayed part and the rest, so that no vector has both', async () => {
    const buffers = await open(1)
    buffers.write(0, new Float32Array(layout.size).fill(2))
    assert.equal(buffers.decayed, 12)
    assert.equal(buffers.length, 20)
    const squares = (first: number, count: number) =>
      buffers.kernels.squares(buffers.pointer(0) + first, count)
    assert.deepEqual([squares(0, 12), squares(48, 8)], [4 * 9, 4 * 7])
  })

  it('are refused where their addresses would have more than 32 bits', () => {
    const large = layOut([{ name: 'weight', shape: [2 ** 14, 2 ** 14], decayed: true }])
    checkFlatBuffers(large, 4)
    assert.throws(
      () => checkFlatBuffers(large, 5),
      (error: unknown) => error instanceof UserError && /this model has 5\.0 GiB$/.test(error.message),
    )
  })
})

describe('A kernel over flat buffers', () => {
  const COUNT = 3 * LANES
  const BYTES = COUNT * Float32Array.BYTES_PER_ELEMENT
  /** All that 32-bit addresses reach. What is not touched takes no memory. */
  const PAGES = 65536
  let memory: WebAssembly.Memory
  let kernels: FlatKernels
  before(async () => {
    memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES })
    kernels = flatKernels(await compileFlatKernels(), memory)
  })

  /** What the kernels make of four buffers, one after another from a byte on. */
  function resultsAt(start: number) {
    const { squares, draw, adamw } = kernels
    const pointers = [0, 1, 2, 3].map((buffer) => start + buffer * BYTES)
    const views = pointers.map((pointer) => new Float32Array(memory.buffer, pointer, COUNT))
    for (const [seed, view] of views.entries()) view.set(made(COUNT, seed).map(Math.abs))
    const [theta, m, v, gradient] = pointers
    draw(gradient, theta, COUNT, 0.25)
    adamw(theta, m, v, gradient, COUNT, 0.5, 0.9, 0.95, 20, 1e-8, 0.1, 0.99)
    return { values: views.map((view) => view.slice()), squares: squares(gradient, COUNT) }
  }

  it('computes the same wherever the buffers lie, beyond 2 GiB and up to the last byte', () => {
    const expected = resultsAt(0)
    assert.ok(expected.squares > 0)
    const last = PAGES * 65536 - 4 * BYTES
    const places = fc.oneof(
      fc.integer({ min: 0, max: last / 16 }).map((vector) => vector * 16),
      // Those that lie across 2 GiB, and the last.
      fc.integer({ min: 0, max: (4 * BYTES) / 16 }).map((vector) => 2 ** 31 - vector * 16),
      fc.constant(last),
    )
    const law = fc.property(places, (start) => assert.deepEqual(resultsAt(start), expected))
    fc.assert(law, { numRuns: 30 })
  })
})
