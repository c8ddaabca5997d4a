// Equal devices, N = k, c = 0 and one grace window per round: delayed Nesterov is synchronous DiLoCo.
import { initialState, outerOptimizer } from '../../src/outer/optimizer.js'
import { subtract } from '../../src/tensor/vector.js'
import { assertClose, madeVectors, outerOptions } from './made.js'

/** A worker's own task: pulls every parameter towards its target, each with its own curvature. */
interface Task {
  readonly target: ArrayLike<number>
  readonly curvature: ArrayLike<number>
}

const parameters = 6
const workers = 4
const rounds = 8
const H = 5
const [eps, beta] = [0.7, 0.9]

const vector = madeVectors(11)
const start = vector(parameters, 1)
const tasks: Task[] = Array.from({ length: workers }, () => ({
  target: vector(parameters, 2),
  curvature: vector(parameters, 1 / 2).map((value) => value + 1),
}))

/** Where H gradient steps at a rate of 0.1 on the task lead, in float64. */
function train(theta: ArrayLike<number>, { target, curvature }: Task): number[] {
  let x = Array.from(theta)
  for (let step = 0; step < H; step++) {
    x = x.map((value, i) => value - 0.1 * curvature[i] * (value - target[i]))
  }
  return x
}

/** Synchronous DiLoCo, in float64: Nesterov momentum on the mean pseudo-gradient of each round. */
function synchronous(): number[] {
  let theta = Array.from(start)
  let m = theta.map(() => 0)
  for (let round = 0; round < rounds; round++) {
    const ends = tasks.map((task) => train(theta, task))
    const mean = theta.map((value, i) => ends.reduce((sum, end) => sum + value - end[i], 0) / workers)
    m = m.map((value, i) => beta * value + mean[i])
    theta = theta.map((value, i) => value - eps * (mean[i] + beta * m[i]))
  }
  return theta
}

/** The same run asynchronously: arrivals applied one by one, all workers restarting when the window closes. */
function asynchronous(order: (round: number) => readonly Task[]): Float32Array {
  const delayed = outerOptimizer('delayed-nesterov')
  const options = outerOptions({ learningRate: eps, momentum: beta, bufferSize: workers, activation: 0 })
  let state = initialState(start, delayed)
  for (let round = 0; round < rounds; round++) {
    const base = state.theta
    for (const task of order(round)) {
      const g = subtract(base, Float32Array.from(train(base, task)))
      state = delayed.apply(state, g, 1, options)
    }
  }
  return state.theta
}

describe('Equal devices with N = k, c = 0 and one grace window per round', () => {
  it('end where synchronous DiLoCo ends, to float32 rounding', () => {
    assertClose(
      asynchronous(() => tasks),
      synchronous(),
      2e-6,
    )
  })
  it('end there in whatever order the workers arrive', () => {
    const rotated = (round: number) => [...tasks.slice(round % workers), ...tasks.slice(0, round % workers)]
    assertClose(asynchronous(rotated), synchronous(), 2e-6)
  })
})
