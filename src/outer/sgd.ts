// Outer SGD, once per arrival: asynchronous FedAvg (with a learning rate of 1, plain averaging in time).
import type { OuterConfig } from '../swarmfile/schema.js'
import type { OuterOptimizer } from './strategy.js'

const { fround } = Math

export const sgd: OuterOptimizer = {
  name: 'sgd',
  slots: [],
  check: () => null,
  weight: () => 1,
  step: (_, weight, options) => stepOf(weight, options),

  /** theta' = theta - eps g */
  apply({ theta }, g, weight, options) {
    const { weight: w, eps } = stepOf(weight, options)
    const newTheta = new Float32Array(theta.length)
    for (let i = 0; i < theta.length; i++) {
      newTheta[i] = fround(theta[i] - fround(eps * fround(w * g[i])))
    }
    return { theta: newTheta, slots: {}, phase: 0 }
  },
}

const stepOf = (weight: number, { learningRate }: OuterConfig) =>
  ({ rule: 'sgd', weight: fround(weight), eps: fround(learningRate) }) as const
