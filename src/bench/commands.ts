// How the processes that a bench measures are started.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Provider } from '../engine/onnx/runtime.js'
import { packageRoot } from '../platform/package-root.js'
import type { Command } from './contestant.js'
import type { Size } from './sizes.js'

/** Where an engine computes, by its name. */
export function providerOf(engine: string): Provider {
  if (engine === 'onnx-webgpu') return 'webgpu'
  return engine === 'onnx-cuda' ? 'cuda' : 'cpu'
}

export function engineCommand(engine: string, size: Size, threads: number, device: number | null): Command {
  return {
    label: `the engine ${engine}`,
    file: process.execPath,
    // What is no longer used must not count as what the engine needs: the process collects it.
    arguments: [
      '--expose-gc',
      script('engine-process.js'),
      ...modelArguments(size),
      `--threads=${threads}`,
      `--engine=${engine}`,
      ...deviceArgument(device),
    ],
    environment: {},
    remedy: 'use another with --engine, or a smaller --size',
  }
}

/** Products of matrices alone, by ONNX Runtime. */
export function productsCommand(provider: Provider, threads: number, device: number | null): Command {
  return {
    label: 'ONNX Runtime',
    file: process.execPath,
    arguments: [
      script('products-process.js'),
      `--provider=${provider}`,
      `--threads=${threads}`,
      ...deviceArgument(device),
    ],
    environment: {},
    remedy: 'use another engine with --engine',
  }
}

/** @param python a command that runs Python: a program and its arguments */
export function torchCommand(
  python: string,
  size: Size,
  threads: number,
  provider: Provider,
  device: number | null,
): Command {
  const [file, ...given] = wordsOf(python)
  const onGpu = provider !== 'cpu'
  return {
    label: `PyTorch in ${python}`,
    file,
    arguments: [
      ...given,
      fileURLToPath(new URL('src/bench/torch-step.py', packageRoot)),
      ...modelArguments(size),
      `--threads=${threads}`,
      `--device=${onGpu ? 'cuda' : 'cpu'}`,
    ],
    environment: onGpu ? visibleDevice(device) : {},
    remedy: 'name a Python that has PyTorch with --python, or leave out --against',
  }
}

function modelArguments({ model, batch }: Size): string[] {
  return [
    `--width=${model.width}`,
    `--layers=${model.layers}`,
    `--heads=${model.heads}`,
    `--head-size=${model.headSize}`,
    `--context=${model.context}`,
    `--batch=${batch}`,
    `--vocabulary=${model.vocabulary}`,
  ]
}

const deviceArgument = (device: number | null): string[] => (device === null ? [] : [`--device=${device}`])

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** A path may have spaces; a command with arguments is no path. */
const wordsOf = (command: string): string[] =>
  existsSync(command) ? [command] : command.split(/\s+/).filter((word) => word !== '')

/** Of the GPUs that the caller lets be seen, the one of this number. */
function visibleDevice(device: number | null): NodeJS.ProcessEnv {
  if (device === null) return {}
  return { CUDA_VISIBLE_DEVICES: process.env.CUDA_VISIBLE_DEVICES?.split(',')[device] ?? String(device) }
}
