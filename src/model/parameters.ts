// The parameters of a GPT: their names and shapes, and their initial values.
import { type Layout, layOut, type TensorSpec, viewOf } from '../tensor/layout.js'
import type { ModelConfig } from './config.js'
import { randomStream } from './random.js'

/** The inner width of a block's MLP, in residual widths, as in GPT-2. */
const MLP_EXPANSION = 4

/** Weight decay is for matrices only: gains, offsets and biases are exempt. */
export function layoutOf(config: ModelConfig): Layout {
  const { vocabulary: V, width: D, context: T, layers } = config
  const A = config.heads * config.headSize
  const M = MLP_EXPANSION * D
  const matrix = (name: string, ...shape: number[]): TensorSpec => ({ name, shape, decayed: true })
  const vector = (name: string, size: number): TensorSpec => ({ name, shape: [size], decayed: false })
  const blocks = Array.from({ length: layers }, (_, layer) => [
    vector(`block.${layer}.attention.norm.gain`, D),
    vector(`block.${layer}.attention.norm.offset`, D),
    matrix(`block.${layer}.attention.in.weight`, D, 3 * A),
    vector(`block.${layer}.attention.in.bias`, 3 * A),
    matrix(`block.${layer}.attention.out.weight`, A, D),
    vector(`block.${layer}.attention.out.bias`, D),
    vector(`block.${layer}.mlp.norm.gain`, D),
    vector(`block.${layer}.mlp.norm.offset`, D),
    matrix(`block.${layer}.mlp.in.weight`, D, M),
    vector(`block.${layer}.mlp.in.bias`, M),
    matrix(`block.${layer}.mlp.out.weight`, M, D),
    vector(`block.${layer}.mlp.out.bias`, D),
  ])
  return layOut([
    matrix('embedding.tokens', V, D),
    matrix('embedding.positions', T, D),
    ...blocks.flat(),
    vector('norm.gain', D),
    vector('norm.offset', D),
  ])
}

/** Standard deviation of initial weights, as in GPT-2. */
const WEIGHT_DEVIATION = 0.02

/**
 * Initial parameters, flat. Weights are nearly normal; those that write to the residual stream are smaller by
 * sqrt(2 layers), so that its variance does not grow with depth (GPT-2, section 2.3). Gains are 1, biases 0.
 * Made of additions and multiplications alone: the same bits on every machine.
 */
export function initialParameters(config: ModelConfig, seed: number): Float32Array {
  const layout = layoutOf(config)
  const theta = new Float32Array(layout.size)
  for (const [index, tensor] of layout.tensors.entries()) {
    const values = viewOf(theta, tensor)
    if (tensor.name.endsWith('.gain')) values.fill(1)
    if (!tensor.decayed) continue
    const toResidual = tensor.name.endsWith('.out.weight')
    const deviation = toResidual ? WEIGHT_DEVIATION / Math.sqrt(2 * config.layers) : WEIGHT_DEVIATION
    fillNormal(values, deviation, seed, index)
  }
  return theta
}

/** Uniform draws per value: the sum of 12, less 6, has mean 0 and variance 1 and is close to normal. */
const DRAWS = 12

function fillNormal(values: Float32Array, deviation: number, seed: number, stream: number): void {
  const uniform = randomStream(seed, stream)
  for (let i = 0; i < values.length; i++) {
    let sum = 0
    for (let draw = 0; draw < DRAWS; draw++) sum += uniform()
    values[i] = (sum - DRAWS / 2) * deviation
  }
}
