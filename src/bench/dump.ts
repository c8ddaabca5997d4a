// Saves a training step as a graph that viewers of ONNX files show.
import { registerGradients } from '../engine/gradients.js'
import { lowerForCpu } from '../engine/onnx/lower-cpu.js'
import { modelFile } from '../engine/onnx/model-file.js'
import { traceStep } from '../engine/onnx/programs.js'
import { layoutOf } from '../model/parameters.js'
import { innerSchema } from '../swarmfile/schema.js'
import type { Size } from './sizes.js'

/**
 * The whole step as one graph, in the operators that the CPU engine uses: forward, backward, clip and AdamW. The
 * engine itself runs it in parts, between which it keeps parameters and moments in place.
 * @returns the bytes of an ONNX model
 */
export async function stepFile({ model, batch }: Size): Promise<Uint8Array> {
  registerGradients()
  const recorded = await traceStep({ config: model, layout: layoutOf(model) }, batch, innerSchema.parse({}))
  return modelFile(lowerForCpu(recorded).graph)
}
