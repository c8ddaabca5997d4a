// Delayed Nesterov, Alg. 3 of arXiv 2401.09135: every arrival moves theta at once by its share, g / N, but the
// momentum takes part only once in N arrivals, with their mean.
import type { OuterConfig } from '../swarmfile/schema.js'
import type { BetweenMilestones, Milestone, OuterOptimizer, OuterState } from './strategy.js'

const { fround } = Math

/** Slack on c <= 1/N for values such as 0.3333333333333333, which is not quite a third. */
const rounding = 1e-9

/** N is divided by in fp32, which has all whole numbers up to this one. */
const largestN = 2 ** 24

export const delayedNesterov: OuterOptimizer = {
  name: 'delayed-nesterov',
  slots: ['momentum', 'buffer'],
  weight: () => 1,

  check({ bufferSize: N, activation: c }) {
    if (!Number.isInteger(N) || N < 1) {
      return `bufferSize (N) is ${N}; Alg. 3 needs a whole number of at least 1: use the number of workers`
    }
    if (N > largestN) {
      return `bufferSize (N) is ${N}; steps in fp32 need at most ${largestN}: use the number of workers`
    }
    if (!(c >= 0 && c * N <= 1 + rounding)) {
      return (
        `activation (c) is ${c}; Alg. 3 needs it between 0 and 1/N = ${Number((1 / N).toPrecision(4))} ` +
        `for bufferSize N = ${N}: lower activation, 0 being the default, or lower bufferSize`
      )
    }
    return null
  },

  step: stepOf,

  apply(state, g, weight, options) {
    const step = stepOf(state.phase, weight, options)
    return step.rule === 'milestone' ? milestone(state, g, step) : betweenMilestones(state, g, step)
  },
}

function stepOf(phase: number, weight: number, options: OuterConfig): BetweenMilestones | Milestone {
  const { bufferSize: N, activation: c, momentum } = options
  const common = { weight: fround(weight), eps: fround(options.learningRate), N }
  if (phase + 1 < N) return { rule: 'between-milestones', ...common, cBeta: fround(c * momentum) }
  // 1 - cN + c, written so that it is exactly 1 when N = 1.
  const remainder = fround((1 - c * (N - 1)) * momentum)
  return { rule: 'milestone', ...common, beta: fround(momentum), remainder }
}

/** Delta' = Delta + g; theta' = theta - eps (c beta m + g / N); m stays. */
function betweenMilestones(
  { theta, slots, phase }: OuterState,
  g: Float32Array,
  { weight: w, eps, N, cBeta }: BetweenMilestones,
): OuterState {
  const { momentum: m, buffer: delta } = slots
  const newTheta = new Float32Array(theta.length)
  const newDelta = new Float32Array(theta.length)
  for (let i = 0; i < theta.length; i++) {
    const gradient = fround(w * g[i])
    const step = fround(fround(cBeta * m[i]) + fround(gradient / N))
    newDelta[i] = fround(delta[i] + gradient)
    newTheta[i] = fround(theta[i] - fround(eps * step))
  }
  return { theta: newTheta, slots: { momentum: m.slice(), buffer: newDelta }, phase: phase + 1 }
}

/** m' = beta m + (Delta + g) / N; theta' = theta - eps ((1 - cN + c) beta m' + g / N); Delta' = 0. */
function milestone(
  { theta, slots }: OuterState,
  g: Float32Array,
  { weight: w, eps, N, beta, remainder }: Milestone,
): OuterState {
  const { momentum: m, buffer: delta } = slots
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
