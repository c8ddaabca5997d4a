// The sizes of a model: named presets, and how a swarm file's choice becomes one configuration.
import { UserError } from '../core/user-error.js'
import type { ModelChoice } from '../swarmfile/schema.js'

/** A pre-norm GPT decoder with tied head. */
export interface ModelConfig {
  /** Number of distinct tokens V. */
  readonly vocabulary: number
  /** Residual width D. */
  readonly width: number
  readonly layers: number
  readonly heads: number
  /** Size of one key or value; the attention is heads x headSize wide and projected back to the width. */
  readonly headSize: number
  /** Longest sequence T. */
  readonly context: number
}

type Sizes = Pick<ModelConfig, 'width' | 'layers' | 'heads' | 'context'> & { headSize?: number }

/**
 * Sizes by name. The paper's models (arXiv 2401.09135, section 5) have keys and values of size 64 and sequences
 * of 256; those of GPT-Neo follow arXiv 2504.18454, whose context of 300 serves for both.
 */
export const presets: Readonly<Record<ModelChoice['preset'], Sizes>> = {
  nano: { width: 32, layers: 2, heads: 2, context: 32 },
  mini: { width: 96, layers: 3, heads: 3, context: 64 },
  micro: { width: 128, layers: 4, heads: 4, context: 128 },
  'paper-20m': { width: 256, layers: 6, heads: 4, headSize: 64, context: 256 },
  'paper-60m': { width: 896, layers: 3, heads: 16, headSize: 64, context: 256 },
  'paper-150m': { width: 896, layers: 12, heads: 16, headSize: 64, context: 256 },
  'neo-8m': { width: 128, layers: 8, heads: 8, context: 300 },
  'neo-125m': { width: 768, layers: 12, heads: 12, context: 300 },
}

/**
 * The preset with its overrides. The size of a head is width / heads where neither says otherwise.
 * @throws UserError when the heads do not divide the width and no head size is given
 */
export function resolveModel(choice: ModelChoice, vocabulary: number): ModelConfig {
  const preset = presets[choice.preset]
  const width = choice.width ?? preset.width
  const heads = choice.heads ?? preset.heads
  const headSize = choice.headSize ?? preset.headSize ?? width / heads
  if (!Number.isInteger(headSize)) {
    throw new UserError(
      'config',
      `the model's ${heads} heads do not divide its width of ${width}`,
      'choose a width that is a multiple of the heads, or set run.model.headSize',
    )
  }
  return {
    vocabulary,
    width,
    layers: choice.layers ?? preset.layers,
    heads,
    headSize,
    context: choice.context ?? preset.context,
  }
}
