// The whole examination: the machine, the swarm where one is given, and whether the run could be trained here.
import type { RunId } from '../../core/ids.js'
import { type RunConfig, runSchema, type SwarmFile } from '../../swarmfile/schema.js'
import type { Invitation } from '../../wire/certificates.js'
import type { Tell, Watch } from './facts.js'
import { examineMachine } from './machine.js'
import { examineSwarm } from './swarm.js'
import { examineTraining } from './training.js'

export interface DoctorRequest {
  readonly swarm: SwarmFile | null
  /** Of members of the run, from a ticket or given. */
  readonly addresses: readonly string[]
  readonly run: RunId | null
  readonly invitation: Invitation | null
  readonly relays: readonly string[]
  readonly listen: readonly string[]
  /** Asks the router whether it forwards ports. */
  readonly upnp: boolean
  readonly psk: Uint8Array | null
  readonly corpus: string | null
  readonly folder: string
  readonly engine: string
  readonly device: number | null
  readonly threads: number
  readonly microBatch: number | null
  readonly log: (line: string) => void
}

/** Tells one fact after the other. @throws UserError for what was given and cannot be meant, as a relay without its id */
export async function examine(request: DoctorRequest, tell: Tell, watch: Watch): Promise<void> {
  const { swarm, corpus } = request
  await examineMachine(request, tell, watch)
  if (!asksOthers(request))
    tell({
      about: 'skipped',
      names: ['swarm'],
      why: 'nothing was given to call: no ticket, address or relay',
    })
  const genesis = asksOthers(request) ? await examineSwarm(request, tell, watch) : null
  const run: RunConfig = genesis?.run ?? swarm?.run ?? runSchema.parse({})
  const named = genesis?.run.data.corpus ?? swarm?.run.data.corpus ?? null
  const path = corpus ?? named
  const text = path === null ? null : { path, isGiven: corpus !== null }
  await examineTraining({ ...request, run, genesis, text }, tell, watch)
}

const asksOthers = ({ addresses, relays }: DoctorRequest): boolean => addresses.length + relays.length > 0
