// A bed for each test of a group; skipped, saying why, where there can be none.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Bed } from './bed.js'
import { Flock } from './flock.js'
import { MeshPeer } from './mesh-peer.js'
import { whyNoBed } from './tools.js'

let said = false

/** To be called in a `describe`. The bed is there while a test runs. */
export function onBed(): () => Bed {
  let bed: Bed | null = null
  beforeEach(function () {
    const reason = whyNoBed()
    if (reason !== null) {
      if (!said) console.log(`    skipped, no test bed here: ${reason}`)
      said = true
      this.skip()
    }
    bed = new Bed()
  })
  afterEach(async function () {
    const story = MeshPeer.story()
    if (this.currentTest?.isFailed()) console.log(story)
    await bed?.remove()
    bed = null
  })
  return () => bed as Bed
}

/** An empty folder for each test of a group, removed after it: to be called in a `describe`. */
export function ownFolder(): () => string {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'skein-bed-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  return () => folder
}

/** Whole peers on the bed of the same group: to be called after `onBed`. */
export function flockOn(bed: () => Bed): () => Flock {
  let flock: Flock | null = null
  beforeEach(() => {
    flock = new Flock(bed())
  })
  // The bed is removed before, and with it what runs there.
  afterEach(function () {
    if (this.currentTest?.isFailed()) console.log(flock?.story())
    flock?.remove()
    flock = null
  })
  return () => flock as Flock
}
