// The training step as a file.
import assert from 'node:assert/strict'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { stepFile } from '../../src/bench/dump.js'
import { parametersOf, parseSize } from '../../src/bench/sizes.js'
import { initialParameters } from '../../src/model/parameters.js'

describe('A saved training step', () => {
  it('is an ONNX model that takes the step from parameters and tokens to the next parameters', async () => {
    const size = parseSize('nano')
    const session = await InferenceSession.create(await stepFile(size))
    const P = parametersOf(size)
    const flat = (values: Float32Array = new Float32Array(P)) => new Tensor('float32', values, [P])
    const scalar = (value: number) => new Tensor('float32', Float32Array.of(value), [])
    const theta = initialParameters(size.model, 1)
    const rows = [size.batch, size.model.context + 1]
    const tokens = Int32Array.from({ length: rows[0] * rows[1] }, (_, i) => (i * 7) % size.model.vocabulary)
    const { nextTheta, loss, norm } = await session.run({
      theta: flat(theta),
      m: flat(),
      v: flat(),
      tokens: new Tensor('int32', tokens, rows),
      learningRate: scalar(0.01),
      correction1: scalar(0.1),
      correction2: scalar(0.05),
    })
    await session.release()
    // An untrained model is as good as guessing.
    assert.ok(Math.abs((loss.data[0] as number) - Math.log(size.model.vocabulary)) < 0.1, `${loss.data[0]}`)
    assert.ok((norm.data[0] as number) > 0)
    // The first update moves a parameter by the learning rate, or where decay joins in a little more.
    const moves = theta.map((value, i) => Math.abs((nextTheta.data[i] as number) - value))
    assert.ok(Math.max(...moves) <= 0.0101 && Math.max(...moves) > 0.009, `${Math.max(...moves)}`)
  })
})
