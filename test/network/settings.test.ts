// What libp2p and gossipsub are told: each setting here avoids a trap that only a long or large run would show.
import assert from 'node:assert/strict'
import { Gate } from '../../src/network/door/gate.js'
import { Flow } from '../../src/network/flow/flow.js'
import { Gossip } from '../../src/network/gossip/gossip.js'
import { generateIdentity } from '../../src/network/identity.js'
import { createNode, libp2pOptions, type NodeOptions } from '../../src/network/node.js'
import { Scores } from '../../src/network/scores.js'

const now = () => 0

async function nodeOptions(): Promise<NodeOptions> {
  const { meter, budget } = new Flow({
    links: [],
    cluster: 'here',
    caps: { uploadBytesPerSecond: null, downloadBytesPerSecond: null },
    connectionTo: () => undefined,
    heard: () => {},
    passed: () => {},
  })
  return {
    privateKey: await generateIdentity(),
    listen: [],
    announce: null,
    mdns: false,
    gate: new Gate(now),
    gossip: new Gossip(
      meter,
      budget,
      new Scores(now),
      () => null,
      () => {},
    ),
    psk: null,
    doorkeeper: null,
    found: () => {},
    reach: null,
  }
}

describe('The settings of libp2p', () => {
  it('leave connections alone that are merely busy: liveness and reconnecting are our own', async () => {
    const { connectionMonitor, connectionManager } = libp2pOptions(await nodeOptions())
    assert.equal(connectionMonitor?.abortConnectionOnPingFailure, false)
    assert.equal(connectionManager?.reconnectRetries, 0)
  })

  it('let a whole swarm on one machine dial at once', async () => {
    const { connectionManager } = libp2pOptions(await nodeOptions())
    assert.ok((connectionManager?.inboundConnectionThreshold ?? 0) >= 1000)
    assert.ok((connectionManager?.maxIncomingPendingConnections ?? 0) >= 1000)
  })
})

/** Gossipsub keeps its options under these names. */
interface Kept {
  readonly opts: Readonly<Record<string, unknown>>
  readonly score: { readonly params: { readonly IPColocationFactorWeight: number } }
}

describe('The settings of gossipsub', () => {
  let kept: Kept
  before(async () => {
    kept = (await createNode(await nodeOptions())).services.gossip as Kept
  })

  it('do not ignore peers for sharing an address', () =>
    assert.equal(kept.score.params.IPColocationFactorWeight, 0))

  it('silence nobody for being behind, and bound what is taken and decoded', () => {
    const { maxOutboundBufferSize, maxInboundDataLength, decodeRpcLimits } = kept.opts
    assert.equal(maxOutboundBufferSize, undefined)
    assert.ok(Number(maxInboundDataLength) <= 4 * 1024 * 1024)
    const limits = Object.values(decodeRpcLimits as object)
    assert.ok(limits.length > 0 && limits.every((limit) => limit <= 1024))
  })

  it('sign everything, and send each byte to few', () => {
    const { globalSignaturePolicy, floodPublish, D, Dlo, Dout } = kept.opts
    assert.equal(globalSignaturePolicy, 'StrictSign')
    assert.equal(floodPublish, false)
    assert.ok(Number(D) <= 3 && Number(Dout) < Number(Dlo) && Number(Dout) <= Number(D) / 2)
  })
})
