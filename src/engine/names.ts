// The names by which engines are chosen, and which of them can choose among GPUs.
import { UserError } from '../core/user-error.js'

/**
 * `auto` takes the fastest that works. `onnx-...` compile the training step, for the CPU or a GPU; `tensorflow` is
 * TensorFlow's own library, `wasm` works everywhere, `cpu` is plain JavaScript, for comparison.
 */
export const engineNames = [
  'auto',
  'onnx-cpu',
  'onnx-webgpu',
  'onnx-cuda',
  'tensorflow',
  'wasm',
  'cpu',
] as const
export type EngineName = (typeof engineNames)[number]

/** Engines that let one choose among several GPUs; WebGPU takes the one that the system prefers. */
const choosing: readonly string[] = ['onnx-cuda', 'tensorflow']

/** @throws UserError that lists the engines there are */
export function parseEngineName(name: string): EngineName {
  const known = engineNames.find((candidate) => candidate === name)
  if (known === undefined) {
    throw new UserError('usage', `there is no engine ${name}`, `use one of: ${engineNames.join(', ')}`)
  }
  return known
}

/**
 * @param device index of a GPU, or null where none was asked for
 * @throws UserError where the engine cannot choose one
 */
export function checkDevice(engine: string, device: number | null): void {
  if (device === null || engine === 'auto' || choosing.includes(engine)) return
  const why =
    engine === 'onnx-webgpu'
      ? 'WebGPU takes the GPU that the system prefers and cannot be given another'
      : `the engine ${engine} computes on the CPU`
  const remedy = `leave --device out, or take an engine that can choose a GPU: ${choosing.join(', ')}`
  throw new UserError('usage', `--device ${device} means nothing to ${engine}: ${why}`, remedy)
}

/** Whether `auto` may try this engine: one that cannot choose is no answer to a GPU that was asked for. */
export const takesDevice = (engine: string, device: number | null): boolean =>
  device === null || choosing.includes(engine)

/**
 * What computes beside a training on this engine, in another thread of its process: WebGPU serves one thread only, and
 * would end the process.
 */
export function engineBeside(
  training: string,
  device: number | null,
): { engine: string; device: number | null } {
  const engine = training === 'onnx-webgpu' ? 'onnx-cpu' : training
  return { engine, device: choosing.includes(engine) ? device : null }
}
