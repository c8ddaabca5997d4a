// What a peer keeps of the outer state: checkpoints and snapshots.
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { hash, peerId } from '../../src/core/ids.js'
import { emptyLedger } from '../../src/core/ledger.js'
import type { Snapshot } from '../../src/outer/snapshot.js'
import {
  type CheckpointMetadata,
  latestCheckpoint,
  loadCheckpoint,
  saveCheckpoint,
} from '../../src/store/checkpoints.js'
import { encodeSafetensors } from '../../src/store/safetensors.js'
import { writeSafetensors } from '../../src/store/safetensors-file.js'
import { decodeSnapshot, encodeSnapshot, loadSnapshot, saveSnapshot } from '../../src/store/snapshot.js'
import { layOut } from '../../src/tensor/layout.js'
import { flipBit, withFolder } from './folders.js'

const ramp = (length: number, start = 0): Float32Array =>
  Float32Array.from({ length }, (_, i) => start + i / 3)

const layout = layOut([
  { name: 'embedding', shape: [4, 3], decayed: true },
  { name: 'gain', shape: [3], decayed: false },
])
const metadata = (version: number): CheckpointMetadata => {
  return { run: 'abc', version, model: { preset: 'nano', layers: 2 }, tokenizer: 'byte', loss: version / 8 }
}

describe('A checkpoint', () => {
  it('gives back parameters and metadata', () =>
    withFolder(async (folder) => {
      const theta = ramp(layout.size)
      const path = await saveCheckpoint(folder, theta, layout, metadata(12), 3)
      assert.equal(path, join(folder, 'version-000012.safetensors'))
      const loaded = await loadCheckpoint(path, (found) => {
        assert.deepEqual(found, metadata(12))
        return layout
      })
      assert.deepEqual(loaded, { theta, metadata: metadata(12) })
    }))

  it('keeps a missing loss missing', () =>
    withFolder(async (folder) => {
      const path = await saveCheckpoint(folder, ramp(15), layout, { ...metadata(1), loss: null }, 3)
      assert.equal((await loadCheckpoint(path, () => layout)).metadata?.loss, null)
    }))

  it('makes room: the newest few stay', () =>
    withFolder(async (folder) => {
      const checkpoints = join(folder, 'checkpoints')
      assert.equal(await latestCheckpoint(checkpoints), null)
      for (const version of [8, 9, 10, 1_000_000]) {
        await saveCheckpoint(checkpoints, ramp(15), layout, metadata(version), 2)
      }
      assert.deepEqual((await readdir(checkpoints)).sort(), [
        'version-000010.safetensors',
        'version-1000000.safetensors',
      ])
      assert.equal(await latestCheckpoint(checkpoints), join(checkpoints, 'version-1000000.safetensors'))
    }))

  it('of another model is refused, and the message says what differs', () =>
    withFolder(async (folder) => {
      const path = await saveCheckpoint(folder, ramp(15), layout, metadata(1), 1)
      const as = (...specs: [string, number[]][]) =>
        loadCheckpoint(path, () => layOut(specs.map(([name, shape]) => ({ name, shape, decayed: true }))))
      await assert.rejects(as(['embedding', [4, 3]], ['gain', [3]], ['bias', [3]]), /it has no tensor bias/)
      await assert.rejects(
        as(['embedding', [3, 4]], ['gain', [3]]),
        /embedding has shape \[4, 3\], not \[3, 4\]/,
      )
      await assert.rejects(as(['embedding', [4, 3]]), /its tensor gain has no place in this model/)
    }))

  it('of another program has no metadata but its parameters', () =>
    withFolder(async (folder) => {
      const path = join(folder, 'model.safetensors')
      const tensors = [
        { name: 'gain', shape: [3], data: ramp(3) },
        { name: 'embedding', shape: [4, 3], data: ramp(12, 50) },
      ]
      await writeSafetensors(path, tensors, { format: 'pt' })
      const { theta, metadata: found } = await loadCheckpoint(path, () => layout)
      assert.equal(found, null)
      assert.deepEqual(theta, Float32Array.of(...ramp(12, 50), ...ramp(3)))
    }))
})

function snapshotAt(version: number): Snapshot {
  return {
    ledger: { ...emptyLedger([10, 20], peerId('ada')), version, index: version * 3 },
    outer: {
      theta: ramp(100, version),
      slots: { momentum: ramp(100), buffer: ramp(100, -version) },
      phases: [2, 0, 1],
    },
    digest: hash('d'.repeat(64)),
    stateDigest: hash('e'.repeat(64)),
  }
}

describe('A snapshot', () => {
  it('gives back ledger, vectors, phase and digests; the newest two are kept', () =>
    withFolder(async (folder) => {
      const snapshots = join(folder, 'snapshots')
      assert.equal(await loadSnapshot(snapshots), null)
      for (const version of [0, 5, 7]) await saveSnapshot(snapshots, snapshotAt(version))
      assert.deepEqual(await loadSnapshot(snapshots), { snapshot: snapshotAt(7), damaged: [] })
      assert.equal((await readdir(snapshots)).length, 2)
    }))

  it('that is damaged anywhere gives way to the one before, and that is said', () =>
    withFolder(async (folder) => {
      for (const byteFromEnd of [1, 500, 1300, 1700]) {
        for (const version of [5, 7]) await saveSnapshot(folder, snapshotAt(version))
        const newest = join(folder, 'version-000007.safetensors')
        await flipBit(newest, byteFromEnd)
        const loaded = await loadSnapshot(folder)
        assert.deepEqual(loaded?.snapshot, snapshotAt(5))
        assert.equal(loaded.damaged.length, 1)
        assert(loaded.damaged[0].includes(newest))
      }
    }))

  it('is the same on the wire, where other tensors are refused', () => {
    assert.deepEqual(decodeSnapshot(encodeSnapshot(snapshotAt(7))), snapshotAt(7))
    const [header, data] = encodeSafetensors([{ name: 'theta', shape: [2], data: ramp(2) }], {})
    assert.throws(() => decodeSnapshot(Buffer.concat([header, data])), /it is no snapshot: .* no ledger/)
  })

  it('is refused when all are damaged', () =>
    withFolder(async (folder) => {
      await saveSnapshot(folder, snapshotAt(1))
      await flipBit(join(folder, 'version-000001.safetensors'), 9)
      await assert.rejects(loadSnapshot(folder), /no snapshot in .* can be used: .*checksum/)
    }))
})
