// `skein doctor` in real processes: each thing that it finds wrong, with its remedy, and a run that could be joined.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import type { Check } from '../../src/cli/doctor-verdicts.js'
import { runId } from '../../src/core/ids.js'
import { writeTicket } from '../../src/wire/ticket.js'
import { closeAll } from '../network/raw.js'
import { hosting } from '../node/doctors.js'
import { realMain, run, Workplace } from './processes.js'

const hour = 3_600_000
/** Needs no trial against others. */
const quick = ['--engine', 'wasm']

interface Examined {
  readonly checks: readonly Check[]
  readonly wouldWork: boolean
  readonly code: number | null
}

describe('skein doctor', function () {
  this.timeout(60_000)
  const place = new Workplace()
  after(() => place.remove())
  afterEach(closeAll)

  const doctor = async (...args: string[]): Promise<Examined> => {
    const { code, stdout, stderr } = await run(realMain, ['doctor', ...args, '--json'], place.folder)
    assert.equal(stderr, '')
    return { ...JSON.parse(stdout), code }
  }
  const check = ({ checks }: Examined, name: string) =>
    checks.find((one) => one.name === name) ?? assert.fail(`there is no check ${name}`)
  const fails = (examined: Examined, name: string, what: RegExp, remedy: RegExp) => {
    const { ok, what: told, remedy: advised } = check(examined, name)
    assert.equal(ok, 'fail', told)
    assert.match(told, what)
    assert.match(advised ?? '', remedy)
  }

  it('tells all that is wrong at once: a dead address, a busy port, a text that is not there, a folder that is none', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const busy = `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`
    writeFileSync(join(place.folder, 'file'), '')
    const dead = '/ip4/127.0.0.1/tcp/1'
    const wrong = ['--listen', busy, '--corpus', 'nowhere.txt', '--out', 'file/runs']
    const examined = await doctor(dead, ...wrong, ...quick)
    server.close()
    fails(examined, 'address', /tcp\/1 \(lan\) does not answer: .*ECONNREFUSED/, /that the member runs/)
    fails(examined, 'listen', /the port is in use/, /--listen/)
    fails(examined, 'corpus', /there is no corpus at nowhere.txt/, /--corpus/)
    fails(examined, 'disk', /file\/runs cannot be written to/, /--out/)
    assert.equal(check(examined, 'admission').ok, 'skip')
    assert.deepEqual([examined.wouldWork, examined.code], [false, 1])
  })

  it('finds that a run would take this peer in, by which way and how fast, and does not join it', async () => {
    const { mesh, ticket } = await hosting()
    const examined = await doctor(await ticket(Date.now() + hour), ...quick)
    const told = Object.fromEntries(examined.checks.map(({ name, ok, what }) => [name, `${ok} ${what}`]))
    assert.match(told.ticket, /^pass .*with 1 address; it is good until/)
    assert.match(told.address, /^pass .*\(lan\) answers after \d+ ms/)
    assert.match(told.admission, /^pass run trio/)
    assert.match(told.version, /^pass /)
    assert.match(told.path, /^pass lan/)
    assert.match(told.speed, /^pass there and back in [\d.]+ ms; .*B\/s/)
    assert.match(told.corpus, /^pass 1000 tokens come from members/)
    assert.match(told.step, /^pass [\d.]+ steps per second/)
    assert.match(told.nat, /^pass no router/)
    assert.deepEqual([examined.wouldWork, examined.code], [true, 0])
    assert.equal(mesh.peers().length, 0)
  })

  it('takes a ticket that was damaged on its way for a check that failed', async () => {
    const text = writeTicket({
      run: runId('ab'.repeat(32)),
      name: 'trio',
      addresses: ['/ip4/10.0.0.1/tcp/1'],
      invitation: null,
    })
    const { code, stdout } = await run(realMain, ['doctor', text.slice(0, -1), ...quick], place.folder)
    assert.equal(code, 1)
    assert.match(stdout, /^fail {2}ticket .*\n +what to do: copy the whole ticket again/)
    assert.match(stdout, /\na join would not work: ticket: .*\n$/)
  })
})
