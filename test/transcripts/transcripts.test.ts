// Golden transcripts: the protocol's way through typical situations, word for word, to be read and reviewed.
// After a change that is meant, write them anew with SKEIN_UPDATE_TRANSCRIPTS=1 and review the difference.
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SimulatedSwarm } from '../../src/simulate/swarm.js'
import { trio } from '../swarm/swarms.js'
import { pass, Scene, untilVoters } from './scene.js'

/** The tests run from the repository's root, compiled elsewhere; the texts stay beside their source. */
const folder = join('test', 'transcripts')
/** Rounds so long that none ends while something else is watched. */
const longRounds = { localSteps: 2_000, stop: { versions: 60 } }
const three = 'alice, bob and carol start and train; after ten heartbeats all three vote'

function assertGolden(name: string, scene: Scene): void {
  const path = join(folder, `${name}.txt`)
  const text = scene.text()
  if (process.env.SKEIN_UPDATE_TRANSCRIPTS === '1') writeFileSync(path, text)
  assert.ok(existsSync(path), `${path} is missing: write it with SKEIN_UPDATE_TRANSCRIPTS=1`)
  assert.equal(text, readFileSync(path, 'utf8'))
}

/** Nothing gets from one cluster to the other, or all of it again. */
function part(swarm: SimulatedSwarm, how: 'block' | 'unblock'): void {
  for (const one of swarm.peers.values())
    for (const other of swarm.peers.values())
      if (one.device.cluster !== other.device.cluster) swarm.network[how](one, other)
}

/** Until this peer has finished one more round. */
const untilContributionOf = (name: string) => (swarm: SimulatedSwarm) => {
  const before = swarm.of('contributed').length
  swarm.runUntil(() =>
    swarm
      .of('contributed')
      .slice(before)
      .some(({ peer }) => peer === name),
  )
}

const leadOf = (swarm: SimulatedSwarm, name: string) => swarm.state(name).lead
const versionOf = (swarm: SimulatedSwarm, name: string) => swarm.state(name).replica?.ledger.version ?? 0

/** Nothing that it sends gets out any more; what is on its way arrives. */
function silence(swarm: SimulatedSwarm, name: string): void {
  const peer = swarm.peers.get(name) ?? assert.fail()
  for (const other of swarm.peers.values()) if (other !== peer) swarm.network.block(peer, other)
}

/** Once alice has one more contribution in her log. */
function untilOrdered(swarm: SimulatedSwarm): () => boolean {
  const version = leadOf(swarm, 'alice')?.head.version ?? 0
  return () => (leadOf(swarm, 'alice')?.head.version ?? 0) > version
}

describe('The transcript', () => {
  it("of a lone peer's first round", () => {
    const changes = { startPeers: 1, stop: { versions: 1 } }
    const scene = new Scene('A run of one peer, from its founding to its end.', {
      devices: [trio[0]],
      changes,
    })
    scene.show('alice founds the run, and trains until its stop rule is met', (swarm) => {
      swarm.start('alice')
      swarm.run(60_000)
    })
    assertGolden('lone-peer', scene)
  })

  it('of a normal round', () => {
    const scene = new Scene('A round of one worker, from its contribution to the next assignment.', {
      changes: { localSteps: 40, stop: { versions: 60 } },
    })
    scene.before(three, untilVoters(3))
    scene.before('bob has finished a round', untilContributionOf('bob'))
    scene.show('his contribution is published, ordered and applied, and he gets another round', (swarm) => {
      const before = swarm.of('assigned').length
      const assigned = () => swarm.of('assigned').slice(before)
      swarm.runUntil(() => assigned().some(({ worker }) => worker === 'bob'))
      pass(5)(swarm)
    })
    assertGolden('normal-round', scene)
  })

  it('of two workers in one grace window', () => {
    const devices = [trio[0], { ...trio[1], secondsPerStep: 0.101 }]
    const changes = { startPeers: 2, replicas: 1, grace: 0.5, stop: { versions: 4 } }
    const scene = new Scene('Two workers arrive within one grace window, and go on from one version.', {
      devices,
      changes,
    })
    scene.before('alice and bob start and train', (swarm) => swarm.startAll().run(900))
    scene.show('both finish their rounds', pass(700))
    assertGolden('grace-window', scene)
  })

  it('of a late joiner', () => {
    const scene = new Scene('A peer comes while others train: nobody waits for it, and it trains at once.', {
      changes: { startPeers: 2, localSteps: 30 },
    })
    scene.before('alice and bob start and train', (swarm) => {
      swarm.start('alice')
      swarm.start('bob')
      swarm.run(1_500)
    })
    scene.show('carol starts', (swarm) => {
      swarm.start('carol')
      pass(600)(swarm)
    })
    assertGolden('late-joiner', scene)
  })

  it('of a contribution that is offered twice', () => {
    const devices = [trio[0], { ...trio[2], secondsPerStep: 0.1 }]
    const scene = new Scene('A contribution that is offered before and after its verdict is applied once.', {
      devices,
      changes: { startPeers: 2, replicas: 1 },
    })
    scene.before('alice and carol train until carol has a contribution on her disk', (swarm) => {
      swarm.startAll().runUntil(() => swarm.peers.get('carol')?.disk.records.size === 1)
    })
    const { swarm } = scene
    const [record] = swarm.peers.get('carol')?.disk.records.values() ?? []
    const again = (running: SimulatedSwarm) =>
      running.inject('carol', 'alice', { type: 'offer', manifest: record.manifest })
    scene.show('carol offers it before it has come by gossip', (running) => {
      again(running)
      pass(30)(running)
    })
    scene.show('carol offers it again', (running) => {
      again(running)
      pass(60)(running)
    })
    assertGolden('offered-twice', scene)
  })

  it('of a leader that dies before what it ordered is committed', () => {
    const scene = new Scene(
      'The leader dies with an apply that no other voter has: its successor orders the contribution anew.',
      { changes: { localSteps: 40, stop: { versions: 60 } } },
    )
    scene.before(three, untilVoters(3))
    scene.before("alice has a contribution of bob's", untilContributionOf('bob'))
    scene.show('alice orders it, but nothing that she sends gets out any more, and she dies', (swarm) => {
      silence(swarm, 'alice')
      swarm.runUntil(untilOrdered(swarm))
      swarm.crash('alice')
    })
    scene.show('the others elect another', pass(600))
    assertGolden('leader-crash-before-commit', scene)
  })

  it('of a leader that dies after what it ordered is committed', () => {
    const scene = new Scene(
      'The leader dies with an apply that is committed, and that the others do not know to be: it stays applied, once.',
      { changes: { localSteps: 40, stop: { versions: 60 } } },
    )
    scene.before(three, untilVoters(3))
    scene.before("alice has a contribution of bob's", untilContributionOf('bob'))
    scene.show(
      'alice orders it, and then nothing that she sends gets out any more; she commits it, and dies',
      (swarm) => {
        swarm.runUntil(untilOrdered(swarm))
        silence(swarm, 'alice')
        const version = versionOf(swarm, 'alice')
        swarm.runUntil(() => versionOf(swarm, 'alice') > version)
        swarm.crash('alice')
      },
    )
    scene.show('the others elect another', pass(600))
    assertGolden('leader-crash-after-commit', scene)
  })

  it('of a leader that stands still and comes back', () => {
    const scene = new Scene(
      'A leader that stood still while another was elected can do nothing more, and follows.',
      {
        changes: longRounds,
      },
    )
    scene.before(three, untilVoters(3))
    scene.show('alice stands still', (swarm) => {
      swarm.pause('alice')
      swarm.runUntil(() => swarm.leader() !== 'alice' && swarm.leader() !== null)
      pass(100)(swarm)
    })
    scene.show('alice goes on', (swarm) => {
      swarm.goOn('alice')
      pass(600)(swarm)
    })
    assertGolden('zombie-leader', scene)
  })

  it('of clusters that lose each other', () => {
    const devices = [
      ...trio.slice(0, 2),
      trio[2],
      { name: 'dora', cluster: 'meadow', secondsPerStep: 0.2 },
      { name: 'eve', cluster: 'meadow', secondsPerStep: 0.2 },
    ]
    const scene = new Scene(
      'The cluster that has most voters goes on with another leader; the other one waits, and loses nothing.',
      { devices, changes: { ...longRounds, startPeers: 5, replicas: 5 } },
    )
    scene.before(
      'five peers in two clusters start and train; all five vote, and alice of lake leads',
      untilVoters(5),
    )
    scene.show(
      'lake and meadow lose each other for 7 s, of which these are the first',
      (swarm) => {
        part(swarm, 'block')
        pass(2_800)(swarm)
      },
      ['alice', 'carol'],
    )
    scene.before('the rest of the 7 s passes', pass(4_200))
    scene.show(
      'they reach each other again',
      (swarm) => {
        part(swarm, 'unblock')
        pass(1_200)(swarm)
      },
      ['alice', 'carol'],
    )
    assertGolden('cluster-partition', scene)
  })

  it('of a voter that is replaced', () => {
    const devices = [...trio, { name: 'dora', cluster: 'meadow', secondsPerStep: 0.2 }]
    const scene = new Scene('Another replica votes in the place of one that died.', {
      devices,
      changes: { ...longRounds, startPeers: 4, replicas: 4 },
    })
    scene.before('four peers start and train; three vote, and the fourth is a replica too', untilVoters(3))
    scene.before('a second passes', pass(1_000))
    scene.show('a voter dies, and is let go after ten seconds of silence', (swarm) => {
      const voters = swarm.state('alice').replica?.ledger.configuration.voters ?? []
      const victim = [...swarm.peers.values()].find(({ id, name }) => name !== 'alice' && voters.includes(id))
      swarm.crash(victim?.name ?? assert.fail())
      pass(11_000)(swarm)
    })
    assertGolden('voter-replacement', scene)
  })

  it('of a peer that comes back without its disk', () => {
    const scene = new Scene('A voter that lost its disk forgot its votes: it comes back as another peer.', {
      changes: longRounds,
    })
    scene.before(three, untilVoters(3))
    scene.show('carol dies', (swarm) => {
      swarm.crash('carol')
      pass(500)(swarm)
    })
    scene.show('carol starts without her disk', (swarm) => {
      swarm.wipe('carol')
      swarm.start('carol')
      pass(700)(swarm)
    })
    scene.show('6 s pass', pass(6_000))
    assertGolden('wiped-disk', scene)
  })

  it('of voters that change under a partition', () => {
    const scene = new Scene(
      'While the voters change from one to three, nobody leads without a majority of both sets.',
      { changes: longRounds },
    )
    scene.before('alice, bob and carol start and train; alice alone votes', (swarm) => {
      swarm.startAll().run(4_000)
    })
    scene.show('alice proposes that all three vote, and is cut off in that moment', (swarm) => {
      swarm.runUntil(() => swarm.state('alice').replica?.configuration.next != null)
      swarm.cut('alice')
      pass(2_600)(swarm)
    })
    scene.before('three more seconds pass, in which bob and carol ask in vain', pass(3_000))
    scene.show('alice is back', (swarm) => {
      swarm.mend('alice')
      pass(1_500)(swarm)
    })
    assertGolden('membership-change-under-partition', scene)
  })

  it('of a leader that hands over', () => {
    const scene = new Scene('A leader that its user stops hands over first, and is let go.', {
      changes: longRounds,
    })
    scene.before(three, untilVoters(3))
    scene.show('the user stops alice', (swarm) => {
      swarm.stop('alice')
      pass(300)(swarm)
    })
    assertGolden('graceful-handover', scene)
  })

  it('of voters whose states differ', () => {
    const scene = new Scene('A bit flips in the memory of a voter: it is found by the digests, and healed.', {
      changes: { localSteps: 40, stop: { versions: 60 } },
    })
    scene.before(three, untilVoters(3))
    scene.show(
      "a bit flips in carol's memory, and the next version is made",
      (swarm) => {
        swarm.corrupt('carol')
        const before = swarm.of('refused').length
        swarm.runUntil(() => swarm.of('refused').length > before)
        pass(750)(swarm)
      },
      ['alice', 'carol'],
    )
    assertGolden('digest-dispute', scene)
  })
})
