// A training thread whose first engine fails at its fourth step.
import { openEngine } from '../../src/engine/open-engine.js'
import { serve } from '../../src/engine/serving.js'
import { failingAt } from './failing-engine.js'

let isFirst = true

serve(async (choice, work) => {
  const engine = await openEngine(choice, work)
  if (!isFirst) return engine
  isFirst = false
  return failingAt(4, engine)
})
