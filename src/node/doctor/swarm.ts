// Finds out whether a run can be reached and joined from here, without joining it: calls its addresses, asks to be let
// in, and measures the path.
import type { PeerId, RunId } from '../../core/ids.js'
import { keyPairOfIdentity } from '../../network/door/signatures.js'
import { generateIdentity } from '../../network/identity.js'
import { createProbingMesh } from '../../network/mesh.js'
import { askResponders, respondersAt } from '../../network/reach/stun-ask.js'
import { sha256 } from '../../platform/sha256.js'
import type { HelloAnswer, Mesh, MeshHandlers } from '../../ports/mesh.js'
import type { Attempt } from '../../ports/paths.js'
import type { AddressProbe, Introduction, Probe } from '../../ports/probe.js'
import { type Genesis, parseGenesis, runIdOf } from '../../swarmfile/genesis.js'
import type { Invitation } from '../../wire/certificates.js'
import { PROTOCOL_VERSION } from '../../wire/envelope.js'
import { deaf } from '../ask-status.js'
import { Membership } from '../membership.js'
import { relayOn } from '../reach.js'
import { problemOf, type Tell, type Watch } from './facts.js'

/** A relayed connection becomes a direct one within its first seconds, or not soon. */
const PUNCH_MS = 12_000

export interface SwarmRequest {
  /** Of members; none where only relays are looked at. */
  readonly addresses: readonly string[]
  readonly relays: readonly string[]
  readonly run: RunId | null
  readonly invitation: Invitation | null
  readonly psk: Uint8Array | null
  readonly log: (line: string) => void
}

/** Who looks for a run itself, and was refused, would hang up in the middle of all. */
const inNoRun: MeshHandlers = {
  ...deaf,
  hello: () => ({ accepted: false, reason: 'it only examines the way to a run', later: true }),
}

/** What a member that lets this peer in tells of its run; null where none does. */
export async function examineSwarm(request: SwarmRequest, tell: Tell, watch: Watch): Promise<Genesis | null> {
  const { addresses, run, invitation, psk, log } = request
  const relays = [...new Set([...request.relays, ...addresses.flatMap(relayOn)])]
  const privateKey = await generateIdentity()
  const self = keyPairOfIdentity(privateKey)
  const now = Date.now
  const door =
    invitation === null
      ? null
      : await Membership.of({ self, run, invitation, chain: null, keep: () => {}, now })
  const punches = new Punches()
  const { mesh, probe } = await watch('starting a network', () =>
    createProbingMesh({
      privateKey,
      door,
      psk,
      listen: [],
      mdns: false,
      handlers: inNoRun,
      links: [],
      cluster: '',
      reach: { relays, relayBytesPerSecond: null, upnp: false },
      attempted: (attempt) => punches.heard(attempt),
      log,
    }),
  )
  const visit = new Visit(request, relays, { mesh, probe, punches, tell, watch })
  try {
    return await visit.examine()
  } finally {
    await mesh.close()
  }
}

/** What can be found out only by a peer that was let in. */
const afterAdmission = ['version', 'path', 'speed', 'clocks'] as const

interface Means {
  readonly mesh: Mesh
  readonly probe: Probe
  readonly punches: Punches
  readonly tell: Tell
  readonly watch: Watch
}

class Visit {
  constructor(
    private readonly request: SwarmRequest,
    private readonly relays: readonly string[],
    private readonly means: Means,
  ) {}

  async examine(): Promise<Genesis | null> {
    await this.#examineRelays()
    const reached = await this.#callAll()
    const member = await this.#askAll(reached)
    const introduction = member === null ? null : await this.#introduce(member.peer)
    await this.#examineNat(introduction)
    if (member !== null) await this.#examinePath(member.peer)
    return member?.genesis ?? null
  }

  async #examineRelays(): Promise<void> {
    const { mesh, probe, tell, watch } = this.means
    if (this.relays.length === 0) {
      const why = 'none was named, with --relay, by a swarm file or on the way to an address'
      return tell({ about: 'skipped', names: ['relay'], why })
    }
    const calls = await watch('calling relays', () =>
      Promise.all(this.relays.map((relay) => probe.call(relay))),
    )
    const held = mesh.relays()
    for (const call of calls) tell({ about: 'relay', call, hasPlace: held.includes(call.address) })
  }

  /** The peers that answered, the best way first. */
  async #callAll(): Promise<readonly PeerId[]> {
    const { probe, tell, watch } = this.means
    const { addresses, psk } = this.request
    if (addresses.length === 0) {
      tell({ about: 'skipped', names: ['address'], why: 'no address of a member was given' })
      return []
    }
    const calls = await watch('calling the addresses', () =>
      Promise.all(addresses.map((address) => probe.call(address))),
    )
    tell({ about: 'calls', calls, withKey: psk !== null })
    return peersOf(calls)
  }

  /** Asks one after the other to be let in, until one does. */
  async #askAll(
    peers: readonly PeerId[],
  ): Promise<{ readonly peer: PeerId; readonly genesis: Genesis } | null> {
    const { tell } = this.means
    const hasTicket = this.request.invitation !== null
    if (peers.length === 0) {
      tell({ about: 'skipped', names: ['admission', ...afterAdmission], why: 'no member was reached' })
      return null
    }
    for (const [at, peer] of peers.entries()) {
      const asked = await this.#ask(peer)
      const isLast = at === peers.length - 1
      if ('genesis' in asked) {
        const { genesis } = asked
        const run = runIdOf(genesis, sha256)
        tell({ about: 'admission', answer: { kind: 'accepted', run, name: genesis.name }, hasTicket })
        return { peer, genesis }
      }
      if (isLast) tell({ about: 'admission', answer: { ...asked, by: peer }, hasTicket })
    }
    tell({ about: 'skipped', names: afterAdmission, why: 'no member let this peer in' })
    return null
  }

  async #ask(
    peer: PeerId,
  ): Promise<
    | { readonly genesis: Genesis }
    | { readonly kind: 'refused'; readonly reason: string; readonly later: boolean }
    | { readonly kind: 'silent'; readonly reason: string }
  > {
    const { mesh, watch } = this.means
    const { run } = this.request
    let answer: HelloAnswer
    let genesis: Genesis
    try {
      answer = await watch('asking to be let in', () =>
        mesh.hello(peer, { run: null, config: null, name: 'doctor' }),
      )
      if (!answer.accepted) return { kind: 'refused', reason: answer.reason, later: answer.later }
      genesis = parseGenesis(answer.genesis)
    } catch (error) {
      return { kind: 'silent', reason: (error as Error).message }
    }
    const theirs = runIdOf(genesis, sha256)
    if (run === null || theirs === run) return { genesis }
    return { kind: 'refused', reason: `it belongs to run ${theirs.slice(0, 12)}`, later: false }
  }

  async #introduce(peer: PeerId): Promise<Introduction> {
    const { probe, tell, watch } = this.means
    let introduction: Introduction = { protocolVersion: null, seenAs: null }
    try {
      introduction = await watch('waiting for its version', () => probe.introduce(peer))
    } catch (error) {
      this.request.log(`it did not say who it is: ${(error as Error).message}`)
    }
    tell({ about: 'version', own: PROTOCOL_VERSION, theirs: introduction.protocolVersion })
    return introduction
  }

  async #examineNat(introduction: Introduction | null): Promise<void> {
    const { tell, watch } = this.means
    const responders = respondersAt(this.relays)
    const seenAs = introduction?.seenAs ?? null
    if (responders.length === 0 && seenAs === null) {
      const why = 'nobody outside was there to say as what this machine is seen; a relay says so'
      return tell({ about: 'skipped', names: ['nat'], why })
    }
    const sightings = await watch('asking how this machine is seen', () => askResponders(responders))
    tell({ about: 'nat', sightings, seenAs })
  }

  async #examinePath(peer: PeerId): Promise<void> {
    const { mesh, probe, punches, tell, watch } = this.means
    const current = () => mesh.paths().find((path) => path.peer === peer)
    const stays =
      current()?.kind === 'relayed'
        ? await watch('trying to connect directly', () => punches.outcome(peer))
        : null
    const path = current()
    if (path === undefined) {
      const why = 'the connection was lost meanwhile'
      return tell({ about: 'skipped', names: ['path', 'speed', 'clocks'], why })
    }
    tell({ about: 'path', kind: path.kind, address: path.address, stays })
    try {
      const echo = await watch('measuring the path', () => probe.echo(peer))
      tell({ about: 'speed', echo })
    } catch (error) {
      tell({ about: 'speed', echo: problemOf(error, 'examine again when the member is less busy') })
    }
    await this.#compareClocks(peer)
  }

  async #compareClocks(peer: PeerId): Promise<void> {
    const { mesh, tell } = this.means
    const beforeMs = Date.now()
    try {
      const { time } = await mesh.status(peer)
      const roundTripMs = Date.now() - beforeMs
      tell({ about: 'clocks', aheadMs: Date.parse(time) - (beforeMs + roundTripMs / 2), roundTripMs })
    } catch (error) {
      const why = `the member did not tell its time: ${(error as Error).message}`
      tell({ about: 'skipped', names: ['clocks'], why })
    }
  }
}

/** The peers that answered, those that were called directly first. */
function peersOf(calls: readonly AddressProbe[]): readonly PeerId[] {
  const answered = calls.flatMap(({ peer, kind }) => (peer === null ? [] : [{ peer, kind }]))
  const [relayed, others] = [true, false].map((by) =>
    answered.filter(({ kind }) => (kind === 'relayed') === by),
  )
  return [...new Set([...others, ...relayed].map(({ peer }) => peer))]
}

/** How the attempts ended to make a direct connection out of a relayed one. */
class Punches {
  readonly #ended = new Map<PeerId, string | null>()
  readonly #waiting = new Map<PeerId, (reason: string | null) => void>()

  heard({ peer, address, outcome, reason }: Attempt): void {
    if (peer === null || !address.includes('/webrtc')) return
    const why = outcome === 'connected' ? null : reason
    this.#ended.set(peer, why)
    this.#waiting.get(peer)?.(why)
  }

  /** Resolves with why the first failed; null if it did not. */
  outcome(peer: PeerId): Promise<string | null> {
    const ended = this.#ended.get(peer)
    if (ended !== undefined) return Promise.resolve(ended)
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(`nothing came of it within ${PUNCH_MS / 1000} s`), PUNCH_MS)
      this.#waiting.set(peer, (reason) => {
        clearTimeout(timer)
        resolve(reason)
      })
    })
  }
}
