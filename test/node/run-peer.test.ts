// Whole peers: real network on loopback, real engine threads, real folders.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../src/core/user-error.js'
import { latestCheckpoint } from '../../src/store/checkpoints.js'
import { readTicket } from '../../src/wire/ticket.js'
import { Nest, tinySwarm } from './peers.js'

const nest = new Nest()
async function ticketOf(peer: ReturnType<Nest['start']>) {
  const { ticket } = await peer.next('listening')
  assert.ok(ticket !== null)
  const { run, addresses } = readTicket(ticket)
  return { run, bootstrap: addresses }
}

/** What scripts may rely on in events.jsonl; `left`, `refused` and `expired` need an accident. */
const promisedFields = {
  'run-started': ['run', 'name', 'config', 'parameters', 'resumed'],
  joined: ['name', 'id', 'cluster'],
  leader: ['term', 'leader', 'reason'],
  assigned: [
    ...['assignment', 'worker', 'version', 'steps', 'shard', 'position'],
    ...['speed', 'maxSpeed', 'learningRate', 'window'],
  ],
  'step-loss': ['version', 'step', 'steps', 'loss', 'ms'],
  contributed: ['assignment', 'bytes', 'codec', 'norm', 'loss'],
  applied: ['version', 'term', 'worker', 'assignment', 'staleness', 'steps', 'loss', 'speed'],
  digest: ['version', 'digest', 'stateDigest'],
  validated: ['version', 'loss', 'perplexity'],
  checkpoint: ['version', 'path'],
  sample: ['version', 'prompt', 'text'],
  'peer-finished': ['steps', 'utilisation', 'emulated', 'eventLoopP99Ms', 'bytesSent', 'bytesReceived'],
  'run-finished': [
    ...['reason', 'versions', 'steps', 'tokens', 'lossBefore', 'loss', 'perplexity', 'seconds'],
    ...['utilisation', 'bytes', 'interClusterBytes'],
  ],
}

describe('A lone peer', () => {
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('trains to its stop rule and leaves events and a checkpoint', async () => {
    const anser = nest.start({ name: 'anser', founder: true, swarm: tinySwarm() })
    assert.deepEqual(await anser.ended, { kind: 'finished', reason: '4 versions applied' })
    const [finished] = anser.of('run-finished')
    assert.equal(finished.versions, 4)
    assert.ok(finished.loss !== null && finished.lossBefore !== null && finished.loss < finished.lossBefore)
    assert.equal(finished.steps, 12)
    const lines = (await readFile(join(nest.folder('anser'), 'events.jsonl'), 'utf8')).trim().split('\n')
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    for (const [type, fields] of Object.entries(promisedFields)) {
      const found = records.filter((record) => record.type === type)
      assert.ok(found.length > 0, type)
      for (const record of found)
        for (const field of ['time', 'peer', ...fields]) assert.ok(field in record, `${type} has ${field}`)
    }
    const checkpoint = await latestCheckpoint(join(nest.folder('anser'), 'checkpoints'))
    assert.match(checkpoint ?? '', /version-000004\.safetensors$/)
  })

  it('goes on after a stop with the same run, version and loss', async () => {
    const swarm = tinySwarm({ stop: { versions: 6 } })
    const first = nest.start({ name: 'anser', founder: true, swarm })
    await first.next('applied', ({ version }) => version === 3)
    assert.deepEqual(await first.stop(), { kind: 'stopped' })
    const stoppedAt = Math.max(...first.of('digest').map(({ version }) => version))
    const digest = first.of('digest').find(({ version }) => version === stoppedAt)

    const second = nest.start({ name: 'anser', founder: true, swarm, resume: true })
    assert.equal((await second.ended).kind, 'finished')
    assert.equal(second.of('run-started')[0].run, first.of('run-started')[0].run)
    const [restored] = second.of('digest')
    assert.ok(restored.version >= stoppedAt)
    if (restored.version === stoppedAt) assert.equal(restored.stateDigest, digest?.stateDigest)
    assert.equal(second.of('leader')[0].term, first.of('leader')[0].term + 1)
    // What was committed but not in the snapshot yet is committed, and told, once more.
    const versions = [...first.of('applied'), ...second.of('applied')].map(({ version }) => version)
    assert.deepEqual([...new Set(versions)], [1, 2, 3, 4, 5, 6])
    const losses = [...first.of('validated'), ...second.of('validated')].map(({ loss }) => loss)
    assert.ok(losses.at(-1)! < losses[0])
  })

  it('refuses to resume under another configuration, and names what differs', async () => {
    const first = nest.start({ name: 'anser', founder: true, swarm: tinySwarm() })
    await first.ended
    const second = nest.start({
      name: 'anser',
      founder: true,
      swarm: tinySwarm({ localSteps: 5 }),
      resume: true,
    })
    await assert.rejects(second.ended, (error: UserError) => {
      assert.ok(error instanceof UserError)
      assert.match(error.message, /localSteps is 3 .* 5/)
      return true
    })
  })
})

describe('A run with a warm start', () => {
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('begins with the parameters of the run named, which only its founder needs to have', async () => {
    const first = nest.start({ name: 'heron', founder: true, swarm: tinySwarm() })
    await first.ended
    const start = (warmStart: string) => tinySwarm({ warmStart, stop: { versions: 2 } }, ['anser', 'branta'])
    const anser = nest.start({ name: 'anser', founder: true, swarm: start(nest.folder('heron')) })
    const { bootstrap } = await ticketOf(anser)
    const branta = nest.start({ name: 'branta', bootstrap, swarm: start('nowhere') })
    await Promise.all([anser.ended, branta.ended])
    assert.equal(anser.of('digest')[0].digest, first.of('digest').at(-1)?.digest)
  })

  it('is refused when there is nothing to start from', async () => {
    const anser = nest.start({ name: 'anser', founder: true, swarm: tinySwarm({ warmStart: 'nowhere' }) })
    await assert.rejects(anser.ended, /run\.warmStart: there is no checkpoint at nowhere/)
  })
})

describe('A peer that joins by ticket with no file', () => {
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('trains in the run and holds every version with the same digest', async () => {
    const swarm = tinySwarm({ stop: { versions: 8 } }, ['anser', 'branta'])
    const anser = nest.start({ name: 'anser', founder: true, swarm })
    const branta = nest.start({ name: 'branta', cluster: 'south', ...(await ticketOf(anser)) })
    await Promise.all([anser.ended, branta.ended])
    const workers = new Set(anser.of('applied').map(({ worker }) => worker))
    assert.deepEqual([...workers].sort(), ['anser', 'branta'])
    const theirs = new Map(branta.of('digest').map(({ version, stateDigest }) => [version, stateDigest]))
    for (const { version, stateDigest } of anser.of('digest')) {
      if (theirs.has(version)) assert.equal(theirs.get(version), stateDigest, `version ${version}`)
    }
    assert.ok(theirs.has(8), 'the last version is held by both')
  })

  it('sends fragments in turn where the run has them, and holds the same digests', async () => {
    const changes = {
      fragments: { count: 3, mixing: 0.25 },
      compression: { codec: 'int8' },
      stop: { versions: 10 },
    }
    const anser = nest.start({
      name: 'anser',
      founder: true,
      swarm: tinySwarm(changes, ['anser', 'branta']),
    })
    const branta = nest.start({ name: 'branta', cluster: 'south', ...(await ticketOf(anser)) })
    await Promise.all([anser.ended, branta.ended])
    const applied = anser.of('applied')
    assert.deepEqual([...new Set(applied.map(({ fragment }) => fragment))].sort(), [0, 1, 2])
    assert.deepEqual([anser.of('refused'), branta.of('refused')], [[], []])
    const theirs = new Map(branta.of('digest').map(({ version, stateDigest }) => [version, stateDigest]))
    assert.equal(theirs.get(10), anser.of('digest').find(({ version }) => version === 10)?.stateDigest)
  })

  it('as a pure worker fetches each version that it starts from', async () => {
    const swarm = tinySwarm({ replicas: 1, stop: { versions: 10_000 } }, ['anser', 'branta'])
    const anser = nest.start({ name: 'anser', founder: true, swarm })
    const branta = nest.start({ name: 'branta', cluster: 'south', ...(await ticketOf(anser)) })
    const first = await anser.next('applied', ({ worker }) => worker === 'branta')
    await anser.next('applied', ({ worker, version }) => worker === 'branta' && version > first.version)
    const held = new Map(anser.of('digest').map(({ version, digest }) => [version, digest]))
    assert.ok(branta.of('digest').length > 1)
    for (const { version, digest, stateDigest } of branta.of('digest')) {
      assert.equal(digest, held.get(version), `version ${version}`)
      assert.equal(stateDigest, null, 'it holds theta alone')
    }
  })

  it('is told which corpus it lacks when its text is another', async () => {
    const anser = nest.start({ name: 'anser', founder: true, swarm: tinySwarm({}, ['anser', 'branta']) })
    const corpus = await nest.write('other.txt', 'another text altogether. '.repeat(800))
    const branta = nest.start({ name: 'branta', corpus, ...(await ticketOf(anser)) })
    await assert.rejects(
      branta.ended,
      (error: UserError) => error instanceof UserError && error.kind === 'data',
    )
  })
})

describe('A peer whose file differs from the run', () => {
  beforeEach(() => nest.open())
  afterEach(() => nest.close())

  it('is refused with the key and both values', async () => {
    const anser = nest.start({ name: 'anser', founder: true, swarm: tinySwarm({}, ['anser', 'branta']) })
    const { bootstrap } = await ticketOf(anser)
    const branta = nest.start({
      name: 'branta',
      bootstrap,
      swarm: tinySwarm({ localSteps: 7 }, ['anser', 'branta']),
    })
    await assert.rejects(branta.ended, (error: UserError) => {
      assert.ok(error instanceof UserError)
      assert.match(error.message, /localSteps is 3 .* 7/)
      return true
    })
    assert.ok(anser.of('refused').some(({ what }) => what === 'hello'))
  })

  it('is turned away when its name is taken', async () => {
    const swarm = tinySwarm({}, ['anser', 'branta'])
    const anser = nest.start({ name: 'anser', founder: true, swarm })
    const again = nest.start({ ...(await ticketOf(anser)), name: 'anser', folder: nest.folder('again') })
    await assert.rejects(again.ended, /named 'anser'/)
  })
})
