// The models that engines are measured on, by name, and the work that a training step of each is.
import { UserError } from '../core/user-error.js'
import { type ModelConfig, presets, resolveModel } from '../model/config.js'
import { layoutOf } from '../model/parameters.js'
import { nearest } from '../swarmfile/nearest.js'
import type { ModelChoice } from '../swarmfile/schema.js'

export interface Size {
  readonly name: string
  readonly model: ModelConfig
  /** Sequences of a step. */
  readonly batch: number
}

/** Sequences and vocabulary, that of bytes, which go with a preset. */
const PRESET_BATCH = 8
const PRESET_VOCABULARY = 256

const own: readonly Size[] = [
  sizeOf('a', { width: 128, layers: 4, heads: 4, context: 128 }, 256, 8),
  sizeOf('b', { width: 256, layers: 6, heads: 8, context: 256 }, 4096, 8),
  sizeOf('c', { width: 512, layers: 8, heads: 8, context: 512 }, 32_000, 4),
]
const named = Object.keys(presets) as ModelChoice['preset'][]

/** a, b and c, and the presets of swarm files. */
export const sizeNames: readonly string[] = [...own.map(({ name }) => name), ...named]

/** @throws UserError that names the sizes there are */
export function parseSize(name: string): Size {
  const size = own.find((candidate) => candidate.name === name)
  if (size !== undefined) return size
  const preset = named.find((candidate) => candidate === name)
  if (preset !== undefined) {
    return { name, model: resolveModel({ preset }, PRESET_VOCABULARY), batch: PRESET_BATCH }
  }
  const near = name.length > 1 ? nearest(name, sizeNames) : null
  const meant = near === null ? '' : `did you mean ${near}? `
  throw new UserError('usage', `there is no size ${name}`, `${meant}use any of: ${sizeNames.join(', ')}`)
}

function sizeOf(name: string, choice: Omit<ModelChoice, 'preset'>, vocabulary: number, batch: number): Size {
  return { name, model: resolveModel({ preset: 'nano', ...choice }, vocabulary), batch }
}

export const parametersOf = ({ model }: Size): number => layoutOf(model).size

/** Tokens that a step predicts. */
export const tokensOf = ({ model, batch }: Size): number => batch * model.context

/**
 * Floating-point operations of a step's matrix products: 2 per multiply-add, once forward and twice backward.
 * Attention counts in full, as is usual, though half of it is masked.
 */
export function flopsOf(size: Size): number {
  const { vocabulary: V, width: D, context: T, layers, heads, headSize } = size.model
  const A = heads * headSize
  const tokens = tokensOf(size)
  const weights = layers * (4 * D * A + 8 * D * D) + V * D
  const attention = layers * 2 * A * T
  return 3 * 2 * tokens * (weights + attention)
}
