// A bed for each test of a group; skipped, saying why, where there can be none.
import { Bed } from './bed.js'
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
