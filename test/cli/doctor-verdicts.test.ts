// What the facts of an examination mean: grades, numbers and remedies.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Check, checksOf, firstReason, wouldWork } from '../../src/cli/doctor-verdicts.js'
import type { Fact } from '../../src/node/doctor/facts.js'
import { replicaBytes } from '../../src/node/doctor/training.js'
import type { AddressProbe, Sightings } from '../../src/ports/probe.js'

const only = (fact: Fact): Check => {
  const checks = checksOf(fact)
  assert.equal(checks.length, 1)
  return checks[0]
}
const told = (fact: Fact): string => `${only(fact).ok} ${only(fact).what}`

const call = (changes: Partial<AddressProbe>): AddressProbe => ({
  address: '/ip4/45.0.0.1/tcp/1',
  peer: null,
  kind: 'direct',
  reason: 'refused',
  portAnswers: false,
  ms: 7,
  ...changes,
})
const peer = '12D3KooWATcTB9VkZi8x498PiRVc5QruTwWCYxSwgywqBgNaguj7' as AddressProbe['peer']
const grades = (calls: readonly AddressProbe[], withKey = false) =>
  checksOf({ about: 'calls', calls, withKey }).map(({ name, ok }) => `${name} ${ok}`)

describe('An examination', () => {
  it('fails where one check does, and gives the first as the reason', () => {
    const checks = (['pass', 'warn', 'fail', 'fail', 'skip'] as const).map((ok, i) => {
      return { name: `n${i}`, ok, what: `w${i}`, remedy: null }
    })
    assert.equal(firstReason(checks), 'n2: w2')
    assert.equal(wouldWork(checks), false)
    assert.equal(wouldWork(checks.filter(({ ok }) => ok !== 'fail')), true)
    assert.equal(firstReason(checks.filter(({ ok }) => ok !== 'fail')), null)
  })

  it('takes an address that is dead for a warning where another one answers, else for a failure', () => {
    assert.deepEqual(grades([call({}), call({ peer })]), ['address warn', 'address pass', 'key pass'])
    assert.deepEqual(grades([call({})]), ['address fail', 'key skip'])
    assert.deepEqual(grades([call({ portAnswers: true })]), ['address fail', 'key fail'])
    assert.deepEqual(grades([call({ portAnswers: true })], true), ['address fail', 'key fail'])
  })

  it('compares versions of Node number by number', () => {
    const node = (version: string) => only({ about: 'node', version, least: '20.19' }).ok
    assert.deepEqual(['20.19.0', '20.19', '22.1.0', '100.0.0'].map(node), ['pass', 'pass', 'pass', 'pass'])
    assert.deepEqual(['20.9.0', '18.20.0', '20.18.9'].map(node), ['fail', 'fail', 'fail'])
  })

  it('tells the kinds of routers apart by the ports that responders saw', () => {
    const nat = (own: readonly string[], ...seen: readonly (readonly [string, number] | null)[]) => {
      const sightings: Sightings = {
        localPort: 5000,
        own,
        sightings: seen.map((one, i) => ({
          responder: `r${i}:1`,
          seen: one === null ? null : { address: one[0], port: one[1] },
        })),
      }
      return told({ about: 'nat', sightings, seenAs: null })
    }
    const inside = ['192.168.1.7']
    assert.match(nat(['45.0.0.9'], ['45.0.0.9', 5000]), /^pass no router/)
    assert.match(
      nat(inside, ['45.0.0.9', 5000]),
      /^pass a router that keeps ports: port 5000 .*45.0.0.9:5000/,
    )
    assert.match(nat(inside, ['45.0.0.9', 6000], ['45.0.0.9', 6000]), /^pass a router with one port for all/)
    assert.match(nat(inside, ['45.0.0.9', 6000], ['45.0.0.9', 6001]), /^warn a symmetric router/)
    assert.match(nat(inside, ['45.0.0.9', 6000], null), /^warn a router that changes ports/)
    assert.match(nat(inside, null, null), /^warn no responder answered \(r0:1, r1:1\)/)
  })

  it('takes the round trip off the time of a transfer, and says at least where that is most of it', () => {
    const speed = (roundTripMs: number, bytes: number, ms: number) =>
      told({ about: 'speed', echo: { roundTripMs, bytes, ms } })
    assert.match(speed(100, 1_000_000, 1_100), /^pass there and back in 100 ms; 1.00 MB\/s \(1.00 MB came/)
    assert.match(speed(100, 1_000_000, 125), /; at least 8.00 MB\/s/)
    assert.match(speed(100, 40_000, 2_100), /^warn .*; 20.0 kB\/s/)
  })

  it('warns of clocks that differ by more than is tolerated, whichever is ahead', () => {
    const clocks = (aheadMs: number) => told({ about: 'clocks', aheadMs, roundTripMs: 20 })
    assert.match(clocks(400), /^pass .* 0.40 s ahead, give or take 10 ms/)
    assert.match(clocks(400_000), /^warn .* 400 s ahead/)
    assert.match(clocks(-400_000), /^warn .* 400 s behind/)
  })

  it('holds memory and disk against what there is', () => {
    const plan = {
      parameters: 1,
      optimizer: 1,
      gradient: 1,
      activations: 1,
      runtime: 1,
      rows: 8,
      microBatch: 8,
    }
    const memory = (total: number, available: number | null) =>
      only({ about: 'memory', plan: { ...plan, total, available } }).ok
    assert.deepEqual([memory(5, 5), memory(6, 5), memory(6, null)], ['pass', 'fail', 'pass'])
    fc.assert(
      fc.property(fc.nat(1e12), fc.nat(1e12), (freeBytes, neededBytes) => {
        const { ok } = only({ about: 'disk', folder: 'f', space: { freeBytes, neededBytes, keeps: '' } })
        assert.equal(ok, neededBytes <= freeBytes ? 'pass' : 'fail')
      }),
    )
    // Three snapshots of three vectors, two rounds of six, four checkpoints, of four bytes each.
    assert.equal(replicaBytes(10, 3, 100), 10 * 4 * (9 + 12 + 4) + 200)
  })

  it('gives a remedy with every warning and failure, and with nothing else', () => {
    const facts: readonly Fact[] = [
      { about: 'webrtc', reason: 'x' },
      { about: 'webrtc', reason: null },
      { about: 'listen', address: 'a', reason: 'x' },
      { about: 'mdns', heard: { reason: 'x' } },
      { about: 'mdns', heard: { ms: 1 } },
      { about: 'upnp', found: { reason: 'x' }, isPrivate: false },
      { about: 'upnp', found: { router: 'r', outside: '10.0.0.1' }, isPrivate: true },
      { about: 'upnp', found: { router: 'r', outside: '45.0.0.1' }, isPrivate: false },
      { about: 'clock', nowMs: 0 },
      { about: 'relay', call: call({}), hasPlace: false },
      { about: 'relay', call: call({ peer }), hasPlace: false },
      { about: 'relay', call: call({ peer }), hasPlace: true },
      { about: 'path', kind: 'relayed', address: 'a', stays: 'x' },
      { about: 'path', kind: 'punched', address: 'a', stays: null },
      { about: 'version', own: 2, theirs: null },
      { about: 'admission', answer: { kind: 'silent', by: 'p', reason: 'x' }, hasTicket: true },
      { about: 'admission', answer: { kind: 'refused', by: 'p', reason: 'x', later: true }, hasTicket: true },
      { about: 'step', stepsPerSecond: { what: 'w', remedy: 'r' }, batch: 1 },
      { about: 'step', stepsPerSecond: 3, batch: 1 },
      { about: 'skipped', names: ['a', 'b'], why: 'x' },
    ]
    for (const { ok, remedy } of facts.flatMap(checksOf))
      assert.equal(remedy !== null, ok === 'warn' || ok === 'fail')
  })
})
