// What the facts of an examination mean for who wants to join or train: one check or more each, with the remedy.
import type { Fact } from '../node/doctor/facts.js'
import { isProblem, type Problem } from '../node/doctor/facts.js'
import { bytes, clean, count } from '../observe/format.js'
import type { AddressProbe, Echo, Sightings } from '../ports/probe.js'
import { CLOCK_TOLERANCE_MS } from '../wire/certificates.js'

/** How a check ended: `warn` where a join would work, though not as well as it could; `skip` where it does not apply. */
export type Grade = 'pass' | 'warn' | 'fail' | 'skip'

export interface Check {
  readonly name: string
  readonly ok: Grade
  /** What was measured. */
  readonly what: string
  /** What to do about it; null where there is nothing to do. */
  readonly remedy: string | null
}

/** No clock that is set shows less: this program is younger. */
const LEAST_CLOCK_MS = Date.UTC(2026, 0, 1)
/** Bytes per second below which heartbeats and manifests alone are in each other's way: half a Mbit. */
const LEAST_BYTES_PER_SECOND = 0.5e6 / 8

/** A join, or training here, would work. */
export const wouldWork = (checks: readonly Check[]): boolean => checks.every(({ ok }) => ok !== 'fail')

/** The first thing that prevents it, in words; null if nothing does. */
export function firstReason(checks: readonly Check[]): string | null {
  const failed = checks.find(({ ok }) => ok === 'fail')
  return failed === undefined ? null : `${failed.name}: ${failed.what}`
}

export function checksOf(fact: Fact): readonly Check[] {
  switch (fact.about) {
    case 'node':
      return [nodeCheck(fact)]
    case 'clock':
      return fact.nowMs < LEAST_CLOCK_MS
        ? [warn('clock', `it shows ${iso(fact.nowMs)}, which is past`, 'set the clock by network time')]
        : [pass('clock', `it shows ${iso(fact.nowMs)}`)]
    case 'webrtc':
      return fact.reason === null
        ? [pass('webrtc', 'WebRTC loads, by which peers behind routers connect directly')]
        : [warn('webrtc', fact.reason, 'install the native part, or go by relay: that works, and is slower')]
    case 'listen':
      return fact.reason === null
        ? [pass('listen', `${fact.address} can be listened on`)]
        : [fail('listen', `${fact.address} cannot be listened on: ${fact.reason}`, listenRemedy)]
    case 'datagrams':
      return fact.reason === null
        ? [pass('udp', 'datagrams can be sent from here')]
        : [warn('udp', `no datagrams can be sent: ${fact.reason}`, 'allow UDP: WebRTC and mDNS need it')]
    case 'mdns':
      return [mdnsCheck(fact.heard)]
    case 'upnp':
      return [upnpCheck(fact)]
    case 'unreadable':
      return [problem(fact.name, fact.problem)]
    case 'file':
      return [pass('file', `${fact.path}: run ${fact.run}, ${fact.peers} peers in ${fact.clusters} clusters`)]
    case 'ticket':
      return [ticketCheck(fact)]
    case 'relay':
      return [relayCheck(fact)]
    case 'calls':
      return callChecks(fact)
    case 'admission':
      return [admissionCheck(fact)]
    case 'version':
      return [versionCheck(fact)]
    case 'path':
      return [pathCheck(fact)]
    case 'speed':
      return [isProblem(fact.echo) ? { ...problem('speed', fact.echo), ok: 'warn' } : speedCheck(fact.echo)]
    case 'clocks':
      return [clocksCheck(fact)]
    case 'nat':
      return [natCheck(fact)]
    case 'corpus':
      return [corpusCheck(fact)]
    case 'engine':
      return [engineCheck(fact)]
    case 'memory':
      return [memoryCheck(fact)]
    case 'step':
      return [stepCheck(fact)]
    case 'disk':
      return [diskCheck(fact)]
    case 'skipped':
      return fact.names.map((name) => ({ name, ok: 'skip', what: fact.why, remedy: null }))
  }
}

type About<Kind extends Fact['about']> = Extract<Fact, { about: Kind }>

const pass = (name: string, what: string): Check => ({ name, ok: 'pass', what, remedy: null })
const warn = (name: string, what: string, remedy: string): Check => ({ name, ok: 'warn', what, remedy })
const fail = (name: string, what: string, remedy: string): Check => ({ name, ok: 'fail', what, remedy })
const problem = (name: string, { what, remedy }: Problem): Check => fail(name, what, remedy)

const iso = (ms: number): string => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`
const perSecond = (rate: number): string => `${bytes(Math.round(rate))}/s`
const milliseconds = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`

const listenRemedy =
  'stop the program that uses the port, or choose an address of this machine and a free port with --listen (port 0 takes any)'

function nodeCheck({ version, least }: About<'node'>): Check {
  const numbers = (text: string) => text.split('.').map(Number)
  const [own, needed] = [numbers(version), numbers(least)]
  const at = needed.findIndex((number, place) => number !== (own[place] ?? 0))
  const isOldEnough = at < 0 || (own[at] ?? 0) > needed[at]
  return isOldEnough
    ? pass('node', `Node ${version}; ${least} or later is needed`)
    : fail('node', `Node ${version} is too old: ${least} or later is needed`, 'install a newer Node')
}

function mdnsCheck(heard: About<'mdns'>['heard']): Check {
  return 'ms' in heard
    ? pass(
        'mdns',
        `own multicast is heard here after ${milliseconds(heard.ms)}; switches may still hold it back`,
      )
    : warn(
        'mdns',
        `own multicast is not heard: ${heard.reason}`,
        'allow UDP port 5353 to 224.0.0.251; else peers of this network are found only by address or ticket',
      )
}

function upnpCheck({ found, isPrivate }: About<'upnp'>): Check {
  const otherwise =
    'forward a port on the router by hand and tell it with --announce, or name a relay with --relay'
  if ('reason' in found)
    return warn('upnp', `no router forwards ports by UPnP (gateway version 2): ${found.reason}`, otherwise)
  const what = `the router at ${clean(found.router)} forwards ports by UPnP; outside it is ${clean(found.outside)}`
  return isPrivate
    ? warn('upnp', `${what}, which is behind another router`, otherwise)
    : pass('upnp', `${what}; give --upnp to peers here`)
}

function ticketCheck({ run, addresses, expires, nowMs }: About<'ticket'>): Check {
  const of = `of run ${run?.slice(0, 12)} with ${addresses} ${addresses === 1 ? 'address' : 'addresses'}`
  if (expires === null) return pass('ticket', `${of}; it does not expire`)
  if (nowMs > expires + CLOCK_TOLERANCE_MS)
    return fail('ticket', `${of}; it expired on ${iso(expires)}`, newTicket)
  return pass('ticket', `${of}; it is good until ${iso(expires)}`)
}

const newTicket = 'ask a member of the run for a new ticket, which `skein ticket RUN-FOLDER` prints there'

function relayCheck({ call, hasPlace }: About<'relay'>): Check {
  const { address, peer, reason, ms } = call
  if (peer === null)
    return warn(
      'relay',
      `${address}: ${reason}`,
      'check that the relay runs, and the address that it printed',
    )
  return hasPlace
    ? pass('relay', `${address} answers after ${ms} ms and keeps a place for this peer`)
    : warn(
        'relay',
        `${address} answers after ${ms} ms, but keeps no place for this peer`,
        'use another relay',
      )
}

function callChecks({ calls, withKey }: About<'calls'>): readonly Check[] {
  const isReached = calls.some(({ peer }) => peer !== null)
  const checks = calls.map((call) => addressCheck(call, isReached))
  if (isReached)
    return [...checks, pass('key', withKey ? 'the key of the private network is theirs' : 'none is needed')]
  const opens = calls.some(({ portAnswers }) => portAnswers === true)
  if (!opens) {
    const why = 'nobody was reached, so that it cannot be compared'
    return [...checks, { name: 'key', ok: 'skip', what: why, remedy: null }]
  }
  const what = withKey
    ? 'a port answers, but not as a peer that has this key'
    : 'a port answers, but not as a peer: it may be of a private network, and no key was given'
  return [...checks, fail('key', what, 'give the key file that every peer of the run has with --psk')]
}

function addressCheck(
  { address, peer, kind, reason, portAnswers, ms }: AddressProbe,
  others: boolean,
): Check {
  if (peer !== null) return pass('address', `${address} (${kind}) answers after ${ms} ms`)
  const port =
    portAnswers === null ? '' : portAnswers ? '; its port is open' : '; its port takes no connection'
  const what = `${address} (${kind}) does not answer: ${reason}${port}`
  return others
    ? warn('address', what, 'nothing: the run is reached in another way')
    : fail(
        'address',
        what,
        'check that the member runs, that the address is current, and the firewalls between',
      )
}

function admissionCheck({ answer, hasTicket }: About<'admission'>): Check {
  switch (answer.kind) {
    case 'accepted':
      return pass('admission', `run ${clean(answer.name)} (${answer.run.slice(0, 12)}) lets this peer in`)
    case 'silent':
      return fail(
        'admission',
        `${answer.by} gave no answer that can be read: ${clean(answer.reason)}`,
        'use the same version of skein on both sides, and check that it is a peer of a run',
      )
    case 'refused': {
      const what = `${answer.by} does not let this peer in: ${clean(answer.reason)}`
      if (answer.later)
        return warn('admission', what, 'wait until it has entered its run, which takes seconds')
      return fail('admission', what, hasTicket ? newTicket : `give a ticket: ${newTicket}`)
    }
  }
}

function versionCheck({ own, theirs }: About<'version'>): Check {
  if (theirs === own) return pass('version', `both sides speak version ${own}`)
  return theirs === null
    ? warn('version', `the member does not say which version it speaks; here it is ${own}`, sameVersion)
    : fail('version', `the member speaks version ${theirs}, this program version ${own}`, sameVersion)
}

const sameVersion = 'use the same version of skein on both sides'

function pathCheck({ kind, address, stays }: About<'path'>): Check {
  if (kind !== 'relayed') return pass('path', `${kind}, by ${address}`)
  return warn(
    'path',
    `relayed, by ${address}${stays === null ? '' : `; no direct connection: ${clean(stays)}`}`,
    'it works at the speed of the relay; for a direct one forward a port and tell it with --announce, or give --upnp',
  )
}

function speedCheck({ roundTripMs, bytes: burst, ms }: Echo): Check {
  const trip = `there and back in ${milliseconds(roundTripMs)}`
  // What a burst takes beyond the round trip is its transfer; where that is little, it is known to be fast only.
  const isMeasured = ms > 2 * roundTripMs
  const rate = (1000 * burst) / (isMeasured ? ms - roundTripMs : ms)
  const what = `${trip}; ${isMeasured ? '' : 'at least '}${perSecond(rate)} (${bytes(burst)} came back in ${milliseconds(ms)})`
  return rate < LEAST_BYTES_PER_SECOND
    ? warn(
        'speed',
        what,
        'use a faster line, or a member nearer by; `run.compression` makes what is sent smaller',
      )
    : pass('speed', what)
}

function clocksCheck({ aheadMs, roundTripMs }: About<'clocks'>): Check {
  const seconds = Math.abs(aheadMs) / 1000
  const side = aheadMs < 0 ? 'behind' : 'ahead'
  const what = `the member's clock is ${seconds.toFixed(seconds < 10 ? 2 : 0)} s ${side}, give or take ${milliseconds(roundTripMs / 2)}`
  return Math.abs(aheadMs) > CLOCK_TOLERANCE_MS
    ? warn('clocks', what, 'set both clocks by network time: tickets would expire too early or too late')
    : pass('clocks', what)
}

function natCheck({ sightings, seenAs }: About<'nat'>): Check {
  const seen = sightings.sightings.flatMap((one) => (one.seen === null ? [] : [one.seen]))
  const told = seenAs === null ? '' : `; the member sees it at ${seenAs}`
  if (sightings.sightings.length === 0) return seenCheck(sightings, seenAs ?? '')
  if (seen.length === 0)
    return warn(
      'nat',
      `no responder answered (${sightings.sightings.map(({ responder }) => responder).join(', ')})${told}`,
      'allow UDP out: without it other peers behind routers are reached by relay only',
    )
  const ports = [...new Set(seen.map(({ port }) => port))]
  const at = seen.map(({ address, port }) => `${address}:${port}`).join(', ')
  const measured = `port ${sightings.localPort} here is seen as ${at}${told}`
  if (seen.every(({ address }) => sightings.own.includes(address)))
    return pass('nat', `no router changes addresses: ${measured}`)
  if (ports.length > 1) return warn('nat', `a symmetric router: ${measured}`, symmetricRemedy)
  if (ports[0] === sightings.localPort) return pass('nat', `a router that keeps ports: ${measured}`)
  if (seen.length > 1) return pass('nat', `a router with one port for all: ${measured}`)
  return warn('nat', `a router that changes ports, as symmetric ones do: ${measured}`, symmetricRemedy)
}

/** Where no responder is known. */
function seenCheck({ own }: Sightings, seenAs: string): Check {
  const ip = /^\/ip[46]\/([^/]+)/.exec(seenAs)?.[1] ?? ''
  const isOwn = own.includes(ip) || ip.startsWith('127.') || ip === '::1'
  return isOwn
    ? pass('nat', `no router changes addresses: the member sees this peer at ${seenAs}`)
    : pass(
        'nat',
        `a router is in between: the member sees this peer at ${seenAs}; a relay would tell its kind`,
      )
}

const symmetricRemedy =
  'name a relay with --relay, by which others reach this peer, or forward a port and tell it with --announce'

function corpusCheck({ state }: About<'corpus'>): Check {
  switch (state.kind) {
    case 'wrong':
      return problem('corpus', state.problem)
    case 'from-members':
      return pass('corpus', `${count(state.tokens)} tokens come from members (${bytes(2 * state.tokens)})`)
    case 'read':
      return pass(
        'corpus',
        `${state.source}: ${count(state.trainTokens)} tokens to train on, ${count(state.heldOutTokens)} held out`,
      )
  }
}

function engineCheck({ engine }: About<'engine'>): Check {
  if (isProblem(engine)) return problem('engine', engine)
  const { name, reason, threads, parameters, warnings } = engine
  const what = `${name} on ${threads} ${threads === 1 ? 'thread' : 'threads'} for ${count(parameters)} parameters: ${reason}`
  return warnings.length === 0
    ? pass('engine', what)
    : warn('engine', `${what}; ${warnings.join('; ')}`, 'choose an engine that works with --engine')
}

function memoryCheck({ plan }: About<'memory'>): Check {
  const { total, available, rows, microBatch } = plan
  const needs = `training takes ${bytes(Math.round(total))} with ${microBatch} of ${rows} sequences at once`
  if (available === null) return pass('memory', `${needs}; the device does not tell what it has`)
  const what = `${needs}, ${bytes(Math.round(available))} are available`
  return total <= available
    ? pass('memory', what)
    : fail('memory', what, 'take fewer sequences at once with --micro-batch, or end other programs')
}

function stepCheck({ stepsPerSecond, batch }: About<'step'>): Check {
  return isProblem(stepsPerSecond)
    ? problem('step', stepsPerSecond)
    : pass('step', `${stepsPerSecond.toPrecision(3)} steps per second, batches of ${batch}`)
}

function diskCheck({ folder, space }: About<'disk'>): Check {
  if (isProblem(space)) return problem('disk', space)
  const { freeBytes, neededBytes, keeps } = space
  const what = `${folder} has ${bytes(freeBytes)} free, a replica writes up to ${bytes(neededBytes)} (${keeps})`
  return neededBytes <= freeBytes
    ? pass('disk', what)
    : fail('disk', what, 'free some space, or give another folder with --out')
}
