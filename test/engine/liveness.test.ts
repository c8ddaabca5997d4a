// What ONNX Runtime holds while it runs a graph, by rules and as it says itself.
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { registerGradients } from '../../src/engine/gradients.js'
import { executionOrder, peakBytes } from '../../src/engine/onnx/liveness.js'
import { lowerForCpu } from '../../src/engine/onnx/lower-cpu.js'
import { modelFile } from '../../src/engine/onnx/model-file.js'
import { traceGradient } from '../../src/engine/onnx/programs.js'
import { loadRuntime, tensorFor } from '../../src/engine/onnx/runtime.js'
import { type Graph, GraphBuilder, type Value } from '../../src/engine/trace/graph.js'
import { resolveModel } from '../../src/model/config.js'
import { layoutOf } from '../../src/model/parameters.js'

/** Builds a graph of operators on float32 vectors. */
class Sketch {
  readonly #builder = new GraphBuilder()
  readonly #inputs: { name: string; value: Value }[] = []

  input(size: number): Value {
    const name = `input ${this.#inputs.length}`
    const value = this.#builder.input(name, { type: 'float32', shape: [size] })
    this.#inputs.push({ name, value })
    return value
  }

  node(size: number, inputs: Value[], operator = 'Tanh'): Value {
    return this.#builder.node(operator, inputs, {}, [{ type: 'float32', shape: [size] }])[0]
  }

  uniform(size: number): Value {
    return this.#builder.uniform(1, { type: 'float32', shape: [size] })
  }

  finish(...outputs: Value[]): Graph {
    const named = outputs.map((value, i) => ({ name: `output ${i}`, value }))
    return this.#builder.finish(this.#inputs, named)
  }
}

/** Float32 elements of a kibibyte. */
const KB = 256

const nano = resolveModel({ preset: 'nano' }, 64)

before(registerGradients)

describe('The peak of a graph', () => {
  it('counts neither inputs nor outputs: those are given', () => {
    const sketch = new Sketch()
    assert.equal(peakBytes(sketch.finish(sketch.node(KB, [sketch.input(KB)]))), 0)
  })

  it('is that of the operator whose inputs and outputs are largest together', () => {
    const sketch = new Sketch()
    const small = sketch.node(KB, [sketch.input(KB)])
    const large = sketch.node(5 * KB, [small])
    const middle = sketch.node(2 * KB, [large])
    assert.equal(peakBytes(sketch.finish(sketch.node(KB, [middle]))), 7 * 1024)
  })

  it('holds what is needed later while other things are computed', () => {
    const sketch = new Sketch()
    const kept = sketch.node(3 * KB, [sketch.input(KB)])
    const way = sketch.node(2 * KB, [sketch.node(KB, [kept])])
    assert.equal(peakBytes(sketch.finish(sketch.node(KB, [way, kept]))), 6 * 1024)
  })

  it('gives a value the buffer of one of its shape that is no longer needed', () => {
    const sketch = new Sketch()
    let value = sketch.input(KB)
    for (let i = 0; i < 9; i++) value = sketch.node(KB, [value])
    assert.equal(peakBytes(sketch.finish(sketch.node(KB, [value]))), 2 * 1024)
  })

  it('keeps a free buffer that a later value takes', () => {
    const sketch = new Sketch()
    const first = sketch.node(4 * KB, [sketch.input(KB)])
    const [between, wide] = [sketch.node(KB, [first]), 3 * KB]
    const second = sketch.node(4 * KB, [sketch.node(wide, [between])])
    // While the wide value is computed the buffer of the first waits for the second.
    assert.equal(peakBytes(sketch.finish(sketch.node(KB, [second]))), 8 * 1024)
  })

  it('counts a reshaped value once, and until its last use under either shape', () => {
    const sketch = new Sketch()
    const value = sketch.node(4 * KB, [sketch.input(KB)])
    const reshaped = sketch.node(4 * KB, [value], 'Reshape')
    const way = sketch.node(KB, [value])
    assert.equal(peakBytes(sketch.finish(sketch.node(KB, [way, reshaped]))), 5 * 1024)
  })

  it('does not count an input under another shape', () => {
    const sketch = new Sketch()
    const reshaped = sketch.node(4 * KB, [sketch.input(4 * KB)], 'Reshape')
    assert.equal(peakBytes(sketch.finish(sketch.node(KB, [reshaped]))), 0)
  })

  it('counts a uniform value, which is written out where it is used', () => {
    const sketch = new Sketch()
    assert.equal(
      peakBytes(sketch.finish(sketch.node(KB, [sketch.uniform(8 * KB), sketch.input(KB)]))),
      8 * 1024,
    )
  })
})

describe('The order of execution', () => {
  it('goes depth first to the input that was recorded last', () => {
    const sketch = new Sketch()
    const input = sketch.input(1)
    const a = sketch.node(1, [input], 'A')
    const b = sketch.node(1, [input], 'B')
    const c = sketch.node(1, [a], 'C')
    const end = sketch.node(1, [c, b], 'End')
    assert.deepEqual(operators(sketch.finish(end)), ['A', 'C', 'B', 'End'])
  })

  it('begins at the end that was recorded last', () => {
    const sketch = new Sketch()
    const input = sketch.input(1)
    const first = sketch.node(1, [input], 'First')
    const second = sketch.node(1, [input], 'Second')
    assert.deepEqual(operators(sketch.finish(first, second)), ['Second', 'First'])
  })

  it('of a training step, and its peak, are those that ONNX Runtime has', async () => {
    const { graph } = lowerForCpu(await traceGradient({ config: nano, layout: layoutOf(nano) }, 8))
    const executed = await profileOf(graph)
    assert.deepEqual(
      operators(graph),
      executed.map(({ operator }) => operator),
    )
    const held = Math.max(...executed.map(({ bytesHeld }) => bytesHeld))
    // What constants take is in the runtime's figure only.
    const share = peakBytes(graph) / held
    assert.ok(share > 0.95 && share < 1.01, `planned ${peakBytes(graph)}, held ${held}`)
  })

  const operators = (graph: Graph) => executionOrder(graph).map(({ operator }) => operator)
})

/** The operators that ONNX Runtime executes, and the bytes that its allocator has given out after each. */
async function profileOf(graph: Graph): Promise<{ operator: string; bytesHeld: number }[]> {
  const folder = await mkdtemp(join(tmpdir(), 'skein-profile-'))
  try {
    const runtime = await loadRuntime()
    const session = await runtime.InferenceSession.create(modelFile(graph), {
      graphOptimizationLevel: 'disabled',
      enableMemPattern: false,
      enableProfiling: true,
      profileFilePrefix: join(folder, 'profile'),
    })
    const tensors = (values: Graph['inputs']) =>
      Object.fromEntries(values.map(({ name }) => [name, tensorFor(runtime, graph, name)]))
    await session.run(tensors(graph.inputs), tensors(graph.outputs))
    session.endProfiling()
    await session.release()
    const [file] = await readdir(folder)
    const events = JSON.parse(await readFile(join(folder, file), 'utf8')) as ProfileEvent[]
    return events
      .filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'))
      .sort((a, b) => a.ts - b.ts)
      .map(({ args }) => ({ operator: args.op_name, bytesHeld: Number(args.mem_bytes_requested_in_use) }))
  } finally {
    await rm(folder, { recursive: true })
  }
}

interface ProfileEvent {
  readonly cat: string
  readonly name: string
  readonly ts: number
  readonly args: { readonly op_name: string; readonly mem_bytes_requested_in_use: string }
}
