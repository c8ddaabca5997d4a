// A replica's snapshots on disk, written one after the other.
import { rm } from 'node:fs/promises'
import type { Snapshot } from '../outer/snapshot.js'
import { saveSnapshot } from '../store/snapshot.js'
import { listVersions } from '../store/versioned-files.js'

export class SnapshotFiles {
  #last: Promise<unknown> = Promise.resolve()

  constructor(private readonly folder: string) {}

  /** Durable when it resolves. @throws StoreError */
  save(snapshot: Snapshot): Promise<void> {
    return this.#inTurn(() => saveSnapshot(this.folder, snapshot))
  }

  /** The same for one that takes the place of what was held: versions beyond it are of no use any more. @throws StoreError */
  replaceBy(snapshot: Snapshot): Promise<void> {
    return this.#inTurn(async () => {
      for (const { version, path } of await listVersions(this.folder))
        if (version > snapshot.ledger.version) await rm(path, { force: true })
      await saveSnapshot(this.folder, snapshot)
    })
  }

  /** None of them is of use any more. @throws StoreError */
  clear(): Promise<void> {
    return this.#inTurn(async () => {
      for (const { path } of await listVersions(this.folder)) await rm(path, { force: true })
    })
  }

  /** Resolves once nothing is being written. */
  async settled(): Promise<void> {
    await this.#last
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }
}
