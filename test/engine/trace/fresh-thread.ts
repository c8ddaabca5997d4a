// A thread in which TensorFlow.js has no backend yet: traces twice and posts the second graph's operators.
import { parentPort } from 'node:worker_threads'
import * as tf from '@tensorflow/tfjs-core'
import { type Tensors, trace } from '../../../src/engine/trace/trace.js'

const program = ({ x }: Tensors) => ({ y: tf.tanh(tf.square(x)) })
await trace({ x: { shape: [2], dtype: 'float32' } }, program)
const { nodes } = await trace({ x: { shape: [3], dtype: 'float32' } }, program)
parentPort!.postMessage(nodes.map(({ operator }) => operator))
