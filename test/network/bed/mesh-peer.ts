// A mesh process on the bed, as a test sees it: orders, what it told, and waits without clocks.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { PeerPath } from '../../../src/ports/paths.js'
import type { Bed, Host } from './bed.js'
import type { MeshProcessOptions, Order } from './mesh-process.js'

export const RUN = 'a'.repeat(64)

/** A line that it told. */
export type Told = { readonly what: string } & Readonly<Record<string, unknown>>

export class MeshPeer {
  /** Those of the test that runs. */
  static #started: MeshPeer[] = []

  readonly told: Told[] = []
  readonly #child: ChildProcess
  readonly #waiters = new Set<() => void>()
  self = ''
  addresses: readonly string[] = []

  private constructor(
    child: ChildProcess,
    readonly host: Host,
  ) {
    this.#child = child
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.told.push(JSON.parse(line) as Told)
      for (const wake of [...this.#waiters]) wake()
    })
    child.stderr?.on('data', (text) => process.stderr.write(text))
  }

  /** Resolves once it listens, and relays had time to answer. */
  static async start(bed: Bed, host: Host, options: Partial<MeshProcessOptions> = {}): Promise<MeshPeer> {
    const given: MeshProcessOptions = {
      run: RUN,
      listen: ['/ip4/0.0.0.0/tcp/4001'],
      mdns: false,
      bootstrap: [],
      reach: { relays: [], relayBytesPerSecond: null, upnp: false },
      seeks: false,
      genesis: null,
      ...options,
    }
    return MeshPeer.#open(bed, host, 'mesh-process.js', JSON.stringify(given))
  }

  /** A relay alone. */
  static startRelay(bed: Bed, host: Host, bytesPerSecond: number): Promise<MeshPeer> {
    return MeshPeer.#open(bed, host, 'relay-process.js', String(bytesPerSecond))
  }

  static async #open(bed: Bed, host: Host, script: string, argument: string): Promise<MeshPeer> {
    const path = fileURLToPath(new URL(script, import.meta.url))
    const child = bed.start(host, process.execPath, [path, argument])
    const peer = new MeshPeer(child, host)
    MeshPeer.#started.push(peer)
    const died = once(child, 'exit').then(() => Promise.reject(new Error(`${script} ended on ${host.name}`)))
    const { self, addresses } = await Promise.race([peer.heard('ready'), died])
    // Later it may end, and does so when the bed is removed.
    died.catch(() => {})
    peer.self = self as string
    peer.addresses = addresses as string[]
    return peer
  }

  /** What each peer told last, for who wants to know why a test failed; the next test begins anew. */
  static story(): string {
    const lines = MeshPeer.#started.flatMap(({ self, told }) => [
      `    ${self}`,
      ...told
        .filter(({ what }) => what !== 'paths')
        .slice(-40)
        .map((line) => `      ${JSON.stringify(line).slice(0, 300)}`),
    ])
    MeshPeer.#started = []
    return lines.join('\n')
  }

  /** The address that others reach it at on this host. */
  addressOn(host: Host): string {
    return `/ip4/${host.address}/tcp/4001/p2p/${this.self}`
  }

  /** Ends it by SIGKILL. */
  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }

  order(order: Order): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`)
  }

  /** The first matching thing told since a place in `told`, past or future. */
  heard(what: string, matches: (told: Told) => boolean = () => true, since = 0): Promise<Told> {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.told.slice(since).find((told) => told.what === what && matches(told))
        if (found === undefined) return
        this.#waiters.delete(look)
        resolve(found)
      }
      this.#waiters.add(look)
      look()
    })
  }

  async paths(): Promise<readonly PeerPath[]> {
    return (await this.look()).paths
  }

  /** Its paths, and where it is reached. */
  async look(): Promise<{ paths: readonly PeerPath[]; addresses: readonly string[] }> {
    const since = this.told.length
    this.order({ do: 'paths' })
    return (await this.heard('paths', () => true, since)) as never
  }

  /** Asks once in a while until the path to a peer is of this kind. */
  async reaches(peer: MeshPeer, kind: PeerPath['kind']): Promise<PeerPath> {
    for (;;) {
      const path = (await this.paths()).find((one) => one.peer === peer.self && one.kind === kind)
      if (path !== undefined) return path
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
