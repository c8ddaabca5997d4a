// The program of the training thread.
import { openPlanned } from './open-planned.js'
import { serve } from './serving.js'

serve(openPlanned)
