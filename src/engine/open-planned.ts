// Opens an engine and plans its memory, before anything is trained on it.
import { layoutOf } from '../model/parameters.js'
import { availableTo } from './available-memory.js'
import type { Engine } from './engine.js'
import { footprintOf } from './footprints.js'
import { withMemoryPlan } from './memory-plan.js'
import { type EngineChoice, openEngine, type Work } from './open-engine.js'

/** @throws UserError as openEngine does; where memory is short, the engine throws one when it is to train */
export async function openPlanned(choice: EngineChoice, work: Work): Promise<Engine> {
  const engine = await openEngine(choice, work)
  const { config, options, batch: rows, microBatch = Number.POSITIVE_INFINITY } = work
  const footprint = footprintOf(engine.name, { config, layout: layoutOf(config), options })
  return withMemoryPlan(engine, footprint, { rows, microBatch }, availableTo(engine.name, choice.device))
}
