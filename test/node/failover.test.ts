// Whole peers without their founder: another one leads, and those that come back go on from their folders.
import assert from 'node:assert/strict'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { UserError } from '../../src/core/user-error.js'
import { peerStatusSchema } from '../../src/wire/status.js'
import { Nest, type RunningPeer, tinySwarm } from './peers.js'

// Elections and probation take seconds, in which three peers at full speed would use up the processor for nothing.
const nest = new Nest(8)
const names = ['anser', 'branta', 'cygnus'] as const
const swarm = tinySwarm({ stop: { versions: 100_000 } }, [...names])

async function addressOf(peer: RunningPeer): Promise<string> {
  const [address] = (await peer.next('listening')).addresses
  return address
}

/** Three peers of which each may lead. */
async function threeVoters(): Promise<readonly [RunningPeer, RunningPeer, RunningPeer]> {
  const anser = nest.start({ name: 'anser', founder: true, swarm })
  const bootstrap = [await addressOf(anser)]
  const branta = nest.start({ name: 'branta', bootstrap, swarm })
  const cygnus = nest.start({ name: 'cygnus', bootstrap, swarm })
  await anser.next('voters', ({ voters, next }) => voters.length === 3 && next === null)
  return [anser, branta, cygnus]
}

const newest = (peer: RunningPeer): number => Math.max(0, ...peer.of('digest').map(({ version }) => version))

function assertSameVersions(a: RunningPeer, b: RunningPeer, from = 0): void {
  const theirs = new Map(b.of('digest').map(({ version, stateDigest }) => [version, stateDigest]))
  const shared = a.of('digest').filter(({ version }) => version >= from && theirs.has(version))
  assert.ok(shared.length > 0, 'they made some versions both')
  for (const { version, stateDigest } of shared)
    assert.equal(stateDigest, theirs.get(version), `version ${version}`)
}

/** As it was when the peer ended. */
const statusOf = async (name: string) =>
  peerStatusSchema.parse(
    JSON.parse(await readFile(join(nest.folder(name), 'peers', name, 'status.json'), 'utf8')),
  )

describe('Three peers whose leader is closed', function () {
  this.timeout(120_000)
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('have another one, which goes on with the same versions', async () => {
    const [anser, branta, cygnus] = await threeVoters()
    assert.deepEqual(await anser.stop(), { kind: 'stopped' })
    const status = await statusOf('anser')
    assert.deepEqual(status.voters?.map(({ name }) => name).sort(), [...names])
    assert.match(status.tolerance ?? '', /loss of one voter/)
    const { leader, term } = await Promise.race([branta, cygnus].map((peer) => peer.next('leader')))
    assert.ok(term > 1)
    const [leading, following] = leader === 'branta' ? [branta, cygnus] : [cygnus, branta]
    const before = newest(anser)
    const applied = await leading.next('applied', ({ version }) => version > before + 3)
    assert.ok(applied.term >= term)
    await following.next('digest', ({ version }) => version >= applied.version)
    assertSameVersions(leading, following, before)
    assertSameVersions(leading, anser)
    const versions = leading.of('applied').map(({ version }) => version)
    assert.deepEqual(
      versions,
      versions.map((_, i) => versions[0] + i),
      'one after the other',
    )
  })

  it('go on without the founder after all were stopped', async () => {
    const [anser, branta, cygnus] = await threeVoters()
    const address = await addressOf(branta)
    await Promise.all([branta.stop(), cygnus.stop(), anser.stop()])
    const before = Math.max(newest(branta), newest(cygnus))
    const listen = [address.replace(/\/p2p\/.*/, '')]
    const again = { swarm, resume: true }
    const left = [
      nest.start({ name: 'branta', listen, ...again }),
      nest.start({ name: 'cygnus', bootstrap: [address], ...again }),
    ]
    // The founder's folder is lost; what is left of the run takes it in as anybody else.
    const folder = nest.folder('other')
    nest.start({ name: 'anser', founder: false, bootstrap: [address], swarm, folder })
    // Who leads reports what is applied: the newcomer's first round among it, whoever was sooner there.
    const fromNewcomer = left.map((peer) =>
      peer.next('applied', ({ worker, version }) => worker === 'anser' && version > before),
    )
    const { version } = await Promise.race(fromNewcomer)
    await Promise.all(left.map((peer) => peer.next('digest', (record) => record.version >= version)))
    assertSameVersions(left[0], left[1])
  })
})

describe('A replica that comes back to its folder', function () {
  this.timeout(120_000)
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('goes on as the same peer from what it held', async () => {
    const [anser, branta] = await threeVoters()
    await branta.next('digest', ({ version }) => version > 2)
    await branta.stop()
    const held = newest(branta)
    await anser.next('applied', ({ version }) => version > held + 2)
    const again = nest.start({ name: 'branta', bootstrap: [await addressOf(anser)], swarm, resume: true })
    const [restored] = await Promise.all([again.next('digest'), again.next('listening')])
    assert.ok(restored.version >= held - 1, 'it did not begin anew')
    assert.equal(again.of('listening')[0].id, branta.of('listening')[0].id)
    await again.next('digest', ({ version }) => version > held + 4)
    assertSameVersions(again, anser, held)
  })

  it('comes as another peer, and says why, when its log is gone', async () => {
    const [anser, branta] = await threeVoters()
    await branta.stop()
    const own = join(nest.folder('branta'), 'peers', 'branta')
    await rm(join(own, 'journal'))
    const again = nest.start({ name: 'branta', bootstrap: [await addressOf(anser)], swarm, resume: true })
    const { message } = await again.next('warning')
    assert.match(message, /log of this peer is lost.*joins its run as a new peer.*aside-1/)
    const { id } = await again.next('listening')
    assert.notEqual(id, branta.of('listening')[0].id)
    const { version } = await again.next('digest')
    await again.next('digest', (record) => record.version > version + 1)
    assertSameVersions(again, anser, version)
  })
})

describe('A lone peer whose log is gone', () => {
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('is told that nobody it knows holds the run', async () => {
    const alone = tinySwarm({ stop: { versions: 1 } })
    await nest.start({ name: 'anser', founder: true, swarm: alone }).ended
    await rm(join(nest.folder('anser'), 'peers', 'anser', 'journal'))
    const again = nest.start({ name: 'anser', founder: true, swarm: alone, resume: true })
    await assert.rejects(again.ended, (error: UserError) => {
      assert.equal(error.kind, 'storage')
      assert.match(error.message, /log of this peer is lost.*knows of no other/)
      return true
    })
  })
})
