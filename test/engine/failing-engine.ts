// An engine that fails in the middle of its work, as one does whose GPU is lost.
import type { Engine, TrainingSession } from '../../src/engine/engine.js'

/**
 * @param step the one of all its steps that fails, from 1; all after it fail too
 */
export function failingAt(step: number, engine: Engine): Engine {
  let taken = 0
  const train = (session: TrainingSession): TrainingSession => ({
    step: (tokens, learningRate) => {
      taken += 1
      return taken < step
        ? session.step(tokens, learningRate)
        : Promise.reject(new Error('the device was lost\nat 7'))
    },
    read: () => session.read(),
    dispose: () => session.dispose(),
  })
  return { ...engine, train: (theta, inner) => train(engine.train(theta, inner)) }
}
