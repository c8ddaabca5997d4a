// `skein bench codec`: how fast pseudo-gradients are coded and decoded, how short they get, and what is lost.
import { median } from '../outer/statistics.js'
import { compressionSchema } from '../swarmfile/schema.js'
import { type Codec, codecsOf } from '../tensor/codec.js'
import { norm } from '../tensor/vector.js'
import { type CodecRow, codecRow } from './codec-row.js'
import { type Report, thisMachine } from './report.js'

const rounds = 7
/** The first rounds compile, and find memory that is new. */
const warmUpRounds = 2
/** What is wanted of every thread that codes, GB of fp32 a second. */
const wanted = 1
/** Values of one scale: parameters of a tensor are alike, those of different ones are not. */
const alike = 10_000

/** @param say is told what is measured next */
export function benchCodec(parameters: number, say: (what: string) => void): Report<CodecRow> {
  const values = madeGradient(parameters)
  const { density } = compressionSchema.parse({})
  const rows = [...codecsOf({ codec: 'auto', density }).values()].flatMap((codec) => {
    say(codec.name)
    return measured(codec, values)
  })
  return { bench: 'codec', machine: thisMachine({ onnxruntime: null, torch: null }), rows }
}

function measured(codec: Codec, values: Float32Array): CodecRow[] {
  const { name } = codec
  let payload = new Uint8Array()
  let decoded = new Float32Array()
  const encodeMs: number[] = []
  const decodeMs: number[] = []
  for (let round = 0; round < warmUpRounds + rounds; round++) {
    const start = performance.now()
    payload = codec.encode(values) as typeof payload
    const between = performance.now()
    decoded = codec.decode(payload, values.length) as typeof decoded
    const end = performance.now()
    if (round < warmUpRounds) continue
    encodeMs.push(between - start)
    decodeMs.push(end - between)
  }
  const speed = (ms: readonly number[]) => values.byteLength / 1e6 / median(ms)
  for (let i = 0; i < values.length; i++) decoded[i] -= values[i]
  return [
    codecRow(`${name} encode`, speed(encodeMs), 'GB/s', wanted),
    codecRow(`${name} decode`, speed(decodeMs), 'GB/s', wanted),
    codecRow(`${name} size`, payload.length / values.length, 'bytes/parameter', idealBytes[name]),
    codecRow(`${name} error`, norm(decoded) / norm(values), 'of the norm'),
  ]
}

const idealBytes: Readonly<Record<Codec['name'], number | null>> = {
  fp32: 4,
  bf16: 2,
  int8: 1,
  int4: 0.5,
  topk: null,
}

/** Bell-shaped values, as those of a pseudo-gradient are, always the same ones. */
function madeGradient(length: number): Float32Array {
  const values = new Float32Array(length)
  let state = 1
  const draw = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32 - 0.5
  }
  let scale = 1
  for (let i = 0; i < length; i++) {
    if (i % alike === 0) scale = 1e-3 * 2 ** (4 * draw())
    values[i] = scale * (draw() + draw() + draw() + draw())
  }
  return values
}
