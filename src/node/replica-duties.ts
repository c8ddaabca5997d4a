// What a replica does for the core: its log, payloads, outer steps and snapshots, each durable before it is told.
import { payloadsOf } from '../core/entries.js'
import type { EffectOf } from '../core/events.js'
import type { Hash, Index, PeerId, Version } from '../core/ids.js'
import type { Message } from '../core/messages.js'
import type { Report } from '../core/reports.js'
import { type Snapshot, VersionBroken } from '../outer/snapshot.js'
import { StoreError } from '../store/store-error.js'
import type { Contributions } from './contributions.js'
import type { Dispatch } from './driver.js'
import type { DurableLog } from './durable-log.js'
import type { OuterStates } from './outer-states.js'
import { OuterThreadDied } from './outer-thread.js'
import { vectorBytes } from './payload-check.js'
import { reasonOf } from './reason.js'
import type { SnapshotFiles } from './snapshot-files.js'
import type { SwarmMesh } from './swarm-mesh.js'

export interface ReplicaParts {
  readonly mesh: Pick<SwarmMesh, 'fetch'>
  readonly log: DurableLog
  readonly snapshots: SnapshotFiles
  readonly states: OuterStates
  readonly contributions: Contributions
  /** Of the model. */
  readonly parameters: number
  /** To another peer, or to this one itself. */
  readonly send: (to: PeerId, message: Message) => void
  readonly report: (report: Report) => void
  readonly dispatch: Dispatch
  /** For errors after which this peer cannot go on. */
  readonly fail: (error: unknown) => void
}

/** Theta and the slots of any outer method; and the ledger, whose members and shards are far fewer. */
const mostSnapshotBytes = (parameters: number): number => 8 * vectorBytes({ parameters }) + 64 * 2 ** 20

/** Snapshots encoded for a joiner, kept while others may ask for the same. */
const encodedKept = 2

export class ReplicaDuties {
  readonly #encoded = new Map<Version, Promise<Uint8Array | null>>()
  /** How often something else took the place of what was held: what was begun before is not told after it. */
  #installs = 0
  /** The snapshot that is being taken up, if one is. */
  #installing: Promise<void> = Promise.resolve()
  #fetches = 0

  constructor(private readonly parts: ReplicaParts) {}

  persist({ hard, entries, thenSend }: EffectOf<'persist'>): void {
    const { log, send, dispatch, fail } = this.parts
    const last = entries.at(-1)
    log
      .persist(hard, entries)
      .then(() => {
        for (const { to, message } of thenSend) send(to, message)
        if (last !== undefined) dispatch({ type: 'persisted', index: last.index, term: last.term })
      })
      .catch(fail)
  }

  compact({ base }: EffectOf<'compact'>): void {
    this.parts.log.compact(base).catch(this.parts.fail)
  }

  /** Snapshots go first: a log without one is of no peer's any more. */
  forgetReplica(): void {
    const { log, snapshots, fail } = this.parts
    this.#supersede()
    log.beginAnew({ index: 0, term: 0 }, snapshots.clear()).catch(fail)
  }

  holdPayload({ payload, donors }: EffectOf<'hold-payload'>): void {
    void this.parts.contributions.hold(payload, donors)
  }

  dropPayloads({ payloads }: EffectOf<'drop-payloads'>): void {
    this.parts.contributions.drop(payloads)
  }

  applyOuter(effect: EffectOf<'apply-outer'>): void {
    const { dispatch, fail } = this.parts
    const installs = this.#installs
    const { version } = effect
    this.#apply(effect, installs)
      .then((digests) => {
        if (digests !== null && installs === this.#installs)
          dispatch({ type: 'outer-applied', version, ...digests })
      })
      .catch((error) => {
        if (installs !== this.#installs) return
        if (error instanceof OuterThreadDied) return fail(error)
        const lasting = error instanceof VersionBroken
        dispatch({ type: 'outer-failed', version, reason: reasonOf(error), lasting })
      })
  }

  /** Null where a snapshot took the place of what the step begins from. */
  async #apply({ entry, ledger, donors }: EffectOf<'apply-outer'>, installs: number) {
    const { contributions, states } = this.parts
    const [payload, sent = null] = await Promise.all(
      payloadsOf(entry).map((name) => contributions.payload(name, donors)),
    )
    await this.#installing
    if (installs !== this.#installs) return null
    if (entry.kind === 'apply') return states.apply(entry, ledger, payload)
    const coded = sent === null || entry.sent === null ? null : { codec: entry.sent.codec, bytes: sent }
    return states.merge(ledger, payload, { sent: coded, afresh: entry.afresh })
  }

  /** What the cluster has moved, as a contribution to the swarm above: durable before it is told. */
  makeReport({ round, codec, speed, loss }: EffectOf<'make-report'>): void {
    const { states, contributions, dispatch } = this.parts
    const make = async () => {
      const { payload, cut, norm } = await states.report(codec)
      const { id: assignment, base, steps } = round
      const manifest = { assignment, base, steps, codec, norm, speed, loss, ...cut }
      await contributions.own(manifest.payload, payload)
      dispatch({ type: 'report-made', manifest })
    }
    make().catch((error) => dispatch({ type: 'report-failed', round: round.id, reason: reasonOf(error) }))
  }

  saveSnapshot({ version, ledger }: EffectOf<'save-snapshot'>): void {
    const { states, snapshots, report, dispatch } = this.parts
    const installs = this.#installs
    const save = async () => {
      const held = await states.snapshot(version)
      if (held === undefined) throw new Error('it is not held any more')
      if (installs !== this.#installs) return
      await snapshots.save({ ...held, ledger })
      if (installs === this.#installs)
        dispatch({ type: 'snapshot-saved', index: ledger.index, term: ledger.term })
    }
    save().catch((error) =>
      report({ type: 'warning', message: `No snapshot of version ${version}: ${reasonOf(error)}` }),
    )
  }

  /** The bytes of a version for a replica that begins with it, encoded once for all who ask. */
  encodedSnapshot(version: Version): Promise<Uint8Array | null> {
    const known = this.#encoded.get(version)
    if (known !== undefined) return known
    const encoded = this.parts.states.encoded(version).then((bytes) => bytes ?? null)
    const forget = () => this.#encoded.get(version) === encoded && this.#encoded.delete(version)
    encoded.then((bytes) => bytes === null && forget(), forget)
    this.#encoded.set(version, encoded)
    for (const old of this.#encoded.keys()) {
      if (this.#encoded.size <= encodedKept) break
      this.#encoded.delete(old)
    }
    return encoded
  }

  fetchSnapshot(effect: EffectOf<'fetch-snapshot'>): void {
    const { dispatch, fail } = this.parts
    this.#fetches++
    this.#fetch(effect, this.#fetches).catch((error) => {
      if (error instanceof StoreError) return fail(error)
      dispatch({ type: 'snapshot-failed', reason: reasonOf(error) })
    })
  }

  /** From the first donor that gives the right one. */
  async #fetch(
    { version, stateDigest, least, donors }: EffectOf<'fetch-snapshot'>,
    fetch: number,
  ): Promise<void> {
    const atMost = mostSnapshotBytes(this.parts.parameters)
    let failure: unknown = new Error('nobody is there who may hold it')
    for (const donor of donors) {
      try {
        const bytes = await this.parts.mesh.fetch({ kind: 'snapshot', version }, [donor], null, { atMost })
        // Another one is wanted by now.
        if (fetch !== this.#fetches) return
        const installed = this.#installing.then(() => this.#install(bytes, stateDigest, least))
        this.#installing = installed.catch(() => {})
        return await installed
      } catch (error) {
        if (error instanceof StoreError) throw error
        failure = error
      }
    }
    throw failure
  }

  async #install(bytes: Uint8Array, stateDigest: Hash, least: Index): Promise<void> {
    const { states, snapshots, dispatch } = this.parts
    const { ledger, digest } = await states.receive(bytes, stateDigest)
    if (ledger.index < least) throw new Error(`it ends at entry ${ledger.index}, before what is kept here`)
    const snapshot: Snapshot | undefined = await states.snapshot(ledger.version)
    if (snapshot === undefined) throw new Error(`version ${ledger.version} is not held`)
    await snapshots.replaceBy(snapshot)
    this.#supersede()
    dispatch({ type: 'snapshot-installed', ledger, digest, stateDigest })
  }

  /** Something else takes the place of what was held. */
  #supersede(): void {
    this.#installs++
    this.#encoded.clear()
  }
}
