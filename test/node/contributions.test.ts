// A contribution on its way through a node: checked, durable, told; pulled, kept and given out.
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { Contributions } from '../../src/node/contributions.js'
import { alice, bob, contributionOf, Events, fakeMesh, format, MemoryPayloads, unexpected } from './fakes.js'

const noFetch = fakeMesh({ fetch: () => Promise.reject(new Error('nobody holds it')) })

/** A disk that is busy with what is put there until it is told to have done it. */
class BusyDisk {
  readonly deleted: string[] = []
  finish = () => {}
  #begin = () => {}
  readonly begun = new Promise<void>((resolve) => {
    this.#begin = resolve
  })
  readonly put = (): Promise<void> => {
    this.#begin()
    return new Promise((resolve) => {
      this.finish = resolve
    })
  }
  readonly get = () => Promise.resolve(null)
  readonly delete = async (hash: string) => void this.deleted.push(hash)
}

describe('A contribution that arrives', () => {
  it('is told only once it is durable', async () => {
    const { manifest, payload } = contributionOf([3, 4])
    const disk = new BusyDisk()
    const told: string[] = []
    const contributions = new Contributions(noFetch, format, disk, ({ type }) => told.push(type), unexpected)
    const arrived = contributions.arrived(alice, manifest, payload)
    await disk.begun
    assert.deepEqual(told, [])
    disk.finish()
    await arrived
    assert.deepEqual(told, ['contribution'])
  })

  it('stays on disk when it is dropped while it is written anew', async () => {
    const { manifest, payload } = contributionOf([3, 4])
    const disk = new BusyDisk()
    const contributions = new Contributions(noFetch, format, disk, () => {}, unexpected)
    const arrived = contributions.arrived(alice, manifest, payload)
    await disk.begun
    contributions.drop([manifest.payload])
    disk.finish()
    await arrived
    assert.deepEqual(disk.deleted, [])
    contributions.drop([manifest.payload])
    assert.deepEqual(disk.deleted, [manifest.payload])
  })

  const flaws = [
    ['has the length of another model', contributionOf([3, 4, 0]), /12 bytes, not 8/],
    [
      'is not what its manifest names',
      { ...contributionOf([3, 4]), payload: contributionOf([4, 3]).payload },
      /hash/,
    ],
    ['has another norm than its manifest says', contributionOf([3, 4], { norm: 6 }), /norm 5\.0* ?.*6/],
    ['is not finite', contributionOf([3, Number.NaN], { norm: 3 }), /NaN at parameter 1/],
  ] as const
  for (const [what, { manifest, payload }, expected] of flaws)
    it(`is told with its problem and not kept when it ${what}`, async () => {
      const events = new Events()
      const disk = new MemoryPayloads()
      const contributions = new Contributions(noFetch, format, disk, events.dispatch, unexpected)
      await contributions.arrived(alice, manifest, payload)
      assert.match((await events.next('contribution')).problem ?? '', expected)
      assert.equal(disk.kept.size, 0)
      assert.equal(await contributions.held(manifest.payload), null)
    })

  it('ends the peer, and is not told, when the disk does not take it', async () => {
    const { manifest, payload } = contributionOf([3, 4])
    const events = new Events()
    const full = new Error('the disk is full')
    const disk = Object.assign(new MemoryPayloads(), { put: () => Promise.reject(full) })
    const failures: unknown[] = []
    const contributions = new Contributions(noFetch, format, disk, events.dispatch, (error) =>
      failures.push(error),
    )
    await contributions.arrived(alice, manifest, payload)
    assert.deepEqual(failures, [full])
    assert.deepEqual(events.all, [])
  })
})

describe('A contribution that is pulled', () => {
  it('is fetched from its worker by its hash, and told like one that arrived', async () => {
    const { manifest, payload } = contributionOf([3, 4])
    const asked: unknown[] = []
    const mesh = fakeMesh({
      fetch: (name, donors, expected) => {
        asked.push(name, donors, expected)
        return Promise.resolve(payload)
      },
    })
    const events = new Events()
    new Contributions(mesh, format, new MemoryPayloads(), events.dispatch, unexpected).pull(bob, manifest)
    assert.deepEqual(await events.next('contribution'), {
      type: 'contribution',
      from: bob,
      manifest,
      problem: null,
    })
    assert.deepEqual(asked, [{ kind: 'payload', hash: manifest.payload }, [bob], manifest.payload])
  })

  it('fits only with a codec and the size that the run gives it', () => {
    const contributions = new Contributions(noFetch, format, new MemoryPayloads(), () => {}, unexpected)
    const { manifest } = contributionOf([3, 4])
    assert.equal(contributions.fits(manifest), true)
    assert.equal(contributions.fits({ ...manifest, bytes: 2e9 }), false)
    assert.equal(contributions.fits({ ...manifest, fragment: 1 }), false)
  })

  it('is fetched for no more bytes than the run can need', async () => {
    const { manifest, payload } = contributionOf([3, 4])
    const bounds: unknown[] = []
    const mesh = fakeMesh({
      fetch: (_name, _donors, _expected, options) => {
        bounds.push(options?.atMost)
        return Promise.resolve(payload)
      },
    })
    const contributions = new Contributions(mesh, format, new MemoryPayloads(), () => {}, unexpected)
    await contributions.payload(manifest.payload, [bob])
    assert.deepEqual(bounds, [8])
  })

  it('is not fetched at all when it announces another size than the model has', async () => {
    const events = new Events()
    new Contributions(noFetch, format, new MemoryPayloads(), events.dispatch, unexpected).pull(
      bob,
      contributionOf([1]).manifest,
    )
    assert.match((await events.next('contribution')).problem ?? '', /4 bytes, not 8/)
  })

  it('is told as not to be had, with the reason, when nobody gives it', async () => {
    const { manifest } = contributionOf([3, 4])
    const events = new Events()
    new Contributions(noFetch, format, new MemoryPayloads(), events.dispatch, unexpected).pull(bob, manifest)
    assert.deepEqual(await events.next('pull-failed'), {
      type: 'pull-failed',
      manifest,
      reason: 'nobody holds it',
    })
  })
})

describe('A payload', () => {
  it('is taken from memory, else from disk, else from a donor', async () => {
    const [kept, stored, remote] = [
      [1, 1],
      [2, 2],
      [3, 3],
    ].map((g) => contributionOf(g))
    const disk = new MemoryPayloads()
    await disk.put(stored.manifest.payload, stored.payload)
    const mesh = fakeMesh({ fetch: () => Promise.resolve(remote.payload) })
    const contributions = new Contributions(mesh, format, disk, () => {}, unexpected)
    contributions.offer(kept.manifest, kept.payload)
    for (const { manifest, payload } of [kept, stored, remote])
      assert.equal(await contributions.payload(manifest.payload, [alice]), payload)
    assert.equal(await contributions.held(remote.manifest.payload), remote.payload, 'and kept for the next')
  })

  it('that comes by gossip is waited for, and not fetched as well', async () => {
    const { manifest, payload } = contributionOf([3, 4])
    const mesh = fakeMesh({ arriving: () => true, fetch: unexpected })
    const contributions = new Contributions(mesh, format, new MemoryPayloads(), () => {}, unexpected)
    const wanted = contributions.payload(manifest.payload, [alice])
    await contributions.arrived(bob, manifest, payload)
    assert.equal(await wanted, payload)
  })

  it('that gossip lost is fetched after all', async () => {
    const { manifest, payload } = contributionOf([3, 4])
    const mesh = fakeMesh({ arriving: () => true, fetch: () => Promise.resolve(payload) })
    const contributions = new Contributions(mesh, format, new MemoryPayloads(), () => {}, unexpected)
    const wanted = contributions.payload(manifest.payload, [alice])
    await setImmediate()
    contributions.missed(manifest.payload)
    assert.equal(await wanted, payload)
  })

  it('gives way to newer ones, so that memory stays bounded', async () => {
    const contributions = new Contributions(noFetch, format, new MemoryPayloads(), () => {}, unexpected)
    const made = Array.from({ length: 40 }, (_, i) => contributionOf([i, 1]))
    for (const { manifest, payload } of made) contributions.offer(manifest, payload)
    const held = await Promise.all(made.map(({ manifest }) => contributions.held(manifest.payload)))
    assert.deepEqual(
      held.map((payload) => payload !== null),
      [...Array(8).fill(false), ...Array(32).fill(true)],
    )
  })
})

describe('Payloads of a large model', () => {
  it('leave the memory sooner, all but the newest', async () => {
    const disk = new MemoryPayloads()
    const contributions = new Contributions(noFetch, format, disk, () => {}, unexpected)
    const large = Array.from({ length: 3 }, (_, i) => ({
      ...contributionOf([i, 1]),
      payload: new Uint8Array(200 * 2 ** 20),
    }))
    for (const { manifest, payload } of large) contributions.offer(manifest, payload)
    const held = await Promise.all(large.map(({ manifest }) => contributions.held(manifest.payload)))
    assert.deepEqual(
      held.map((payload) => payload !== null),
      [false, false, true],
    )
  })
})

describe('A payload that the ledger names', () => {
  it('is told as held once it is durable, wherever it came from', async () => {
    const { manifest, payload } = contributionOf([3, 4])
    const disk = new MemoryPayloads()
    const events = new Events()
    const mesh = fakeMesh({ fetch: () => Promise.resolve(payload) })
    const contributions = new Contributions(mesh, format, disk, events.dispatch, unexpected)
    await contributions.hold(manifest.payload, [bob])
    assert.deepEqual(events.all, [{ type: 'payload-held', payload: manifest.payload }])
    assert.equal(disk.kept.get(manifest.payload), payload)
  })

  it('is told as not to be had, with the reason, when nobody gives it', async () => {
    const { manifest } = contributionOf([3, 4])
    const events = new Events()
    const contributions = new Contributions(
      noFetch,
      format,
      new MemoryPayloads(),
      events.dispatch,
      unexpected,
    )
    await contributions.hold(manifest.payload, [bob])
    assert.deepEqual(events.all, [
      { type: 'payload-failed', payload: manifest.payload, reason: 'nobody holds it' },
    ])
  })

  it('is given out from the disk once it left the memory, and is gone from both when it is dropped', async () => {
    const { manifest, payload } = contributionOf([3, 4])
    const disk = new MemoryPayloads()
    const contributions = new Contributions(noFetch, format, disk, () => {}, unexpected)
    await contributions.arrived(alice, manifest, payload)
    for (let i = 0; i < 40; i++) {
      const other = contributionOf([i, 1])
      contributions.offer(other.manifest, other.payload)
    }
    assert.equal(await contributions.held(manifest.payload), payload)
    contributions.drop([manifest.payload])
    assert.equal(await contributions.held(manifest.payload), null)
    assert.equal(disk.kept.size, 0)
  })
})
