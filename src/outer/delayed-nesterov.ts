// Delayed Nesterov, Alg. 3 of arXiv 2401.09135: every arrival moves theta at once by its share, g / N, but the
// momentum takes part only once in N arrivals, with their mean.
import type { OuterConfig } from '../swarmfile/schema.js'
import type { OuterOptimizer, OuterState } from './strategy.js'

const { fround } = Math

/** Slack on c <= 1/N for values such as 0.3333333333333333, which is not quite a third. */
const rounding = 1e-9

export const delayedNesterov: OuterOptimizer = {
  name: 'delayed-nesterov',
  slots: ['momentum', 'buffer'],
  weight: () => 1,

  check({ bufferSize: N, activation: c }) {
    if (!Number.isInteger(N) || N < 1) {
      return `bufferSize (N) is ${N}; Alg. 3 needs a whole number of at least 1: use the number of workers`
    }
    if (!(c >= 0 && c * N <= 1 + rounding)) {
      return (
        `activation (c) is ${c}; Alg. 3 needs it between 0 and 1/N = ${Number((1 / N).toPrecision(4))} ` +
        `for bufferSize N = ${N}: lower activation, 0 being the default, or lower bufferSize`
      )
    }
    return null
  },

  apply(state, g, weight, options) {
    return state.phase + 1 < options.bufferSize
      ? betweenMilestones(state, g, weight, options)
      : milestone(state, g, weight, options)
  },
}

/** Delta' = Delta + g; theta' = theta - eps (c beta m + g / N); m stays. */
function betweenMilestones(
  state: OuterState,
  g: Float32Array,
  weight: number,
  options: OuterConfig,
): OuterState {
  const { theta } = state
  const { momentum: m, buffer: delta } = state.slots
  const N = options.bufferSize
  const eps = fround(options.learningRate)
  const cBeta = fround(options.activation * options.momentum)
  const w = fround(weight)
  const newTheta = new Float32Array(theta.length)
  const newDelta = new Float32Array(theta.length)
  for (let i = 0; i < theta.length; i++) {
    const gradient = fround(w * g[i])
    const step = fround(fround(cBeta * m[i]) + fround(gradient / N))
    newDelta[i] = fround(delta[i] + gradient)
    newTheta[i] = fround(theta[i] - fround(eps * step))
  }
  return { theta: newTheta, slots: { momentum: m.slice(), buffer: newDelta }, phase: state.phase + 1 }
}

/** m' = beta m + (Delta + g) / N; theta' = theta - eps ((1 - cN + c) beta m' + g / N); Delta' = 0. */
function milestone(state: OuterState, g: Float32Array, weight: number, options: OuterConfig): OuterState {
  const { theta } = state
  const { momentum: m, buffer: delta } = state.slots
  const N = options.bufferSize
  const eps = fround(options.learningRate)
  const beta = fround(options.momentum)
  // 1 - cN + c, written so that it is exactly 1 when N = 1.
  const remainder = fround((1 - options.activation * (N - 1)) * options.momentum)
  const w = fround(weight)
  const newTheta = new Float32Array(theta.length)
  const newM = new Float32Array(theta.length)
  for (let i = 0; i < theta.length; i++) {
    const gradient = fround(w * g[i])
    const mean = fround(fround(delta[i] + gradient) / N)
    const momentum = fround(fround(beta * m[i]) + mean)
    const step = fround(fround(remainder * momentum) + fround(gradient / N))
    newM[i] = momentum
    newTheta[i] = fround(theta[i] - fround(eps * step))
  }
  return { theta: newTheta, slots: { momentum: newM, buffer: new Float32Array(theta.length) }, phase: 0 }
}
