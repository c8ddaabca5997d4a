// Outer Nesterov momentum, once per arrival (Eq. 4-5): what asynchronous DiLoCo does without a delay.
// It overshoots: k equal pseudo-gradients in a row move theta much further than one step on their mean.
import type { OuterConfig } from '../swarmfile/schema.js'
import type { OuterOptimizer } from './strategy.js'

const { fround } = Math

export const nesterov: OuterOptimizer = {
  name: 'nesterov',
  slots: ['momentum'],
  check: () => null,
  weight: () => 1,
  step: (_, weight, options) => stepOf(weight, options),

  /** m' = beta m + g; theta' = theta - eps (g + beta m') */
  apply({ theta, slots }, g, weight, options) {
    const { weight: w, eps, beta } = stepOf(weight, options)
    const m = slots.momentum
    const newTheta = new Float32Array(theta.length)
    const newM = new Float32Array(theta.length)
    for (let i = 0; i < theta.length; i++) {
      const gradient = fround(w * g[i])
      const momentum = fround(fround(beta * m[i]) + gradient)
      const step = fround(gradient + fround(beta * momentum))
      newM[i] = momentum
      newTheta[i] = fround(theta[i] - fround(eps * step))
    }
    return { theta: newTheta, slots: { momentum: newM }, phase: 0 }
  },
}

const stepOf = (weight: number, { learningRate, momentum }: OuterConfig) =>
  ({ rule: 'nesterov', weight: fround(weight), eps: fround(learningRate), beta: fround(momentum) }) as const
