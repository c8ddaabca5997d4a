// Golden transcripts: the protocol's way through typical situations, word for word, to be read and reviewed.
// After a change that is meant, write them anew with SKEIN_UPDATE_TRANSCRIPTS=1 and review the difference.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SimulatedSwarm, TraceLine } from '../../src/simulate/swarm.js'
import { transcript } from '../../src/simulate/transcript.js'
import { record, simulate, trio } from '../swarm/swarms.js'

/** The tests run from the repository's root, compiled elsewhere; the texts stay beside their source. */
const folder = join('test', 'transcripts')

function assertGolden(name: string, text: string): void {
  const path = join(folder, `${name}.txt`)
  if (process.env.SKEIN_UPDATE_TRANSCRIPTS === '1') writeFileSync(path, text)
  assert.ok(existsSync(path), `${path} is missing: write it with SKEIN_UPDATE_TRANSCRIPTS=1`)
  assert.equal(text, readFileSync(path, 'utf8'))
}

/** Runs a scene and gives what happened in it from `fromMs` on. */
function played(
  options: Parameters<typeof simulate>[0],
  fromMs: number,
  scene: (swarm: SimulatedSwarm) => void,
): string {
  const lines: TraceLine[] = []
  const swarm = simulate({ trace: record(lines), ...options })
  scene(swarm)
  const nameOf = (id: string) => [...swarm.peers.values()].find((peer) => peer.id === id)?.name ?? id
  return transcript(
    lines.filter(({ at }) => at >= fromMs),
    { nameOf },
  )
}

describe('The transcript', () => {
  it("of a lone peer's first round", () => {
    const changes = { startPeers: 1, stop: { versions: 2 } }
    const text = played({ devices: [trio[0]], changes }, 0, (swarm) => {
      swarm.start('alice')
      swarm.run(60_000)
    })
    assertGolden('lone-peer', text)
  })

  it('of two workers in one grace window', () => {
    const devices = [trio[0], { ...trio[1], secondsPerStep: 0.101 }]
    const changes = { startPeers: 2, grace: 0.5, stop: { versions: 4 } }
    const text = played({ devices, changes }, 500, (swarm) => swarm.startAll().run(1_500))
    assertGolden('grace-window', text)
  })

  it('of a late joiner', () => {
    const text = played({ changes: { startPeers: 2 } }, 1_500, (swarm) => {
      swarm.start('alice')
      swarm.start('bob')
      swarm.run(1_500)
      swarm.start('carol')
      swarm.run(2_300)
    })
    assertGolden('late-joiner', text)
  })

  it('of a contribution that is offered twice', () => {
    // All of carol's gossip is lost: her contribution is offered, pulled, and offered again after its verdict.
    const devices = [trio[0], { ...trio[2], secondsPerStep: 0.1 }]
    const text = played({ devices, changes: { startPeers: 2 } }, 900, (swarm) => {
      swarm.startAll().runUntil(() => swarm.peers.get('carol')?.disk.record != null)
      const manifest = swarm.peers.get('carol')?.disk.record?.manifest ?? assert.fail()
      swarm.inject('carol', 'alice', { type: 'offer', manifest })
      swarm.run(swarm.clock.now + 30)
      swarm.inject('carol', 'alice', { type: 'offer', manifest })
      swarm.run(swarm.clock.now + 100)
    })
    assertGolden('offered-twice', text)
  })

  it('of a leader that restarts', () => {
    const text = played({ changes: { localSteps: 20 } }, 1_500, (swarm) => {
      swarm.startAll().run(1_500)
      swarm.crash('alice')
      swarm.run(2_500)
      swarm.start('alice')
      swarm.run(4_600)
    })
    assertGolden('leader-restart', text)
  })
})
