// Outer SGD, once per arrival: asynchronous FedAvg (with a learning rate of 1, plain averaging in time).
import type { OuterOptimizer } from './strategy.js'

const { fround } = Math

export const sgd: OuterOptimizer = {
  name: 'sgd',
  slots: [],
  check: () => null,
  weight: () => 1,

  /** theta' = theta - eps g */
  apply({ theta }, g, weight, options) {
    const eps = fround(options.learningRate)
    const w = fround(weight)
    const newTheta = new Float32Array(theta.length)
    for (let i = 0; i < theta.length; i++) {
      newTheta[i] = fround(theta[i] - fround(eps * fround(w * g[i])))
    }
    return { theta: newTheta, slots: {}, phase: 0 }
  },
}
