// Matrix products by ONNX Runtime in a process of its own: what the machine can do at best, for comparison.
import { parseArgs } from 'node:util'
import {
  type CompileOptions,
  compile,
  loadRuntime,
  type Provider,
  tensorFor,
} from '../engine/onnx/runtime.js'
import { type Graph, GraphBuilder } from '../engine/trace/graph.js'
import { serve } from './serve.js'

/** On a GPU one product takes less time than to start it, so that a run makes many. */
const PRODUCTS_PER_RUN: Readonly<Record<Provider, number>> = { cpu: 1, webgpu: 16, cuda: 16 }
const LEAST_RUNS = 2
const LEAST_MS = 200

await serve(async () => {
  const { values } = parseArgs({
    options: { provider: { type: 'string' }, device: { type: 'string' }, threads: { type: 'string' } },
  })
  const provider = values.provider as Provider
  const options: CompileOptions = {
    provider,
    device: Number(values.device ?? 0),
    threads: Number(values.threads),
    onDevice: false,
  }
  await loadRuntime()
  const known = new Map<number, Promise<() => Promise<void>>>()
  const multiplication = (size: number) => {
    const made = known.get(size) ?? compiledProducts(size, options)
    known.set(size, made)
    return made
  }
  return {
    ready: {},
    handlers: {
      sgemm: async ({ size }) => {
        const multiply = await multiplication(size)
        const flops = PRODUCTS_PER_RUN[provider] * 2 * size ** 3
        return { gflops: flops / (await fastestMs(multiply)) / 1e6 }
      },
    },
  }
})

async function compiledProducts(size: number, options: CompileOptions): Promise<() => Promise<void>> {
  const runtime = await loadRuntime()
  const graph = productsGraph(size, options.provider)
  const program = await compile(graph, options)
  const fed = graph.inputs.map(({ name }) => [name, tensorFor(runtime, graph, name, randomMatrix(size))])
  const feeds = Object.fromEntries(fed)
  const corner = tensorFor(runtime, graph, 'corner')
  return async () => {
    await program.run(feeds, { corner })
  }
}

/**
 * a b, (a b) b and so on, each [size, size]; of the last, only a corner leaves the device. A GPU holds a and b as
 * constants, lest their way there counts; on a CPU they are fed: it would keep constants in an order that suits it,
 * which it cannot with what a training step computes.
 */
function productsGraph(size: number, provider: Provider): Graph {
  const graph = new GraphBuilder()
  const square = { type: 'float32', shape: [size, size] } as const
  const matrix = (name: string) =>
    provider === 'cpu' ? graph.input(name, square) : graph.constant(randomMatrix(size), square)
  const [a, b] = [matrix('a'), matrix('b')]
  let product = a
  for (let i = 0; i < PRODUCTS_PER_RUN[provider]; i++)
    [product] = graph.node('MatMul', [product, b], {}, [square])
  const [starts, ends] = [0n, 1n].map((at) =>
    graph.constant(BigInt64Array.of(at, at), { type: 'int64', shape: [2] }),
  )
  const [corner] = graph.node('Slice', [product, starts, ends], {}, [{ type: 'float32', shape: [1, 1] }])
  const inputs = provider === 'cpu' ? [a, b].map((value, i) => ({ name: 'ab'[i], value })) : []
  return graph.finish(inputs, [{ name: 'corner', value: corner }])
}

/** Its powers neither grow nor vanish: elements have mean 0 and variance 1 / size. */
function randomMatrix(size: number): Float32Array {
  const bound = Math.sqrt(3 / size)
  return new Float32Array(size * size).map(() => (2 * Math.random() - 1) * bound)
}

async function fastestMs(work: () => Promise<void>): Promise<number> {
  await work()
  let [best, spent, runs] = [Number.POSITIVE_INFINITY, 0, 0]
  while (spent < LEAST_MS || runs < LEAST_RUNS) {
    const start = performance.now()
    await work()
    const ms = performance.now() - start
    best = Math.min(best, ms)
    spent += ms
    runs += 1
  }
  return best
}
