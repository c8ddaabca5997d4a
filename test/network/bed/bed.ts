// The test bed: networks, hosts and routers as namespaces of the kernel, with cables that can be cut and throttled.
// Nothing of it is in the machine's own network, and what a crashed test left behind is removed by the next.
import { type ChildProcess, spawn } from 'node:child_process'
import { attempt, type NatKind, natRules, run } from './tools.js'

/** What a throttled cable holds back at most before it drops, in time at its rate. */
const BUFFER_MS = 200

export interface Host {
  readonly name: string
  readonly address: string
  /** Its namespace. */
  readonly space: string
  /** The cable's ends: in the host, and at the switch. */
  readonly port: string
  readonly plug: string
}

interface Network {
  readonly bridge: string
  /** First three numbers of its addresses. */
  readonly prefix: string
  /** Last number of the router's address; null where no router leads out. */
  gateway: number | null
}

export class Bed {
  readonly #prefix = `skein-${process.pid}-`
  readonly #hub = `${this.#prefix}hub`
  readonly #networks = new Map<string, Network>()
  readonly #spaces: string[] = []
  readonly #processes = new Set<ChildProcess>()
  #cables = 0

  constructor() {
    sweep()
    this.#space(this.#hub)
  }

  /** A switch; hosts on it have the addresses `prefix`.1 to `prefix`.254. */
  network(name: string, prefix: string): void {
    const bridge = `b${this.#networks.size}`
    this.#inside(this.#hub, 'ip', 'link', 'add', bridge, 'type', 'bridge', 'forward_delay', '0')
    // Multicast goes to all, as on a plain switch: nobody asks who listens here.
    this.#inside(this.#hub, 'ip', 'link', 'set', bridge, 'type', 'bridge', 'mcast_snooping', '0')
    this.#inside(this.#hub, 'ip', 'link', 'set', bridge, 'up')
    this.#networks.set(name, { bridge, prefix, gateway: null })
  }

  /** A machine on a network. Its default route leads to the network's router, which must be there before. */
  host(name: string, network: string, number: number): Host {
    const space = `${this.#prefix}${name}`
    this.#space(space)
    const { gateway, prefix } = this.#network(network)
    const host = this.#cable(name, space, network, number)
    // Without a default route nothing is multicast.
    const via = gateway === null ? [] : ['via', `${prefix}.${gateway}`]
    this.#inside(space, 'ip', 'route', 'add', 'default', ...via, 'dev', host.port)
    return host
  }

  /** A router between a network inside and one outside, on which it has an address. */
  nat(name: string, kind: NatKind, inside: string, outside: string, number: number): Host {
    const [, host] = this.#routing(name, { [inside]: 1, [outside]: number })
    this.#network(inside).gateway = 1
    run('ip', ['netns', 'exec', host.space, 'nft', '-f', '-'], natRules(kind, host.port))
    return host
  }

  /** A router between networks that hides nobody, the first machine on each. Returns its ends, in their order. */
  router(name: string, networks: readonly string[]): readonly Host[] {
    for (const network of networks) this.#network(network).gateway = 1
    return this.#routing(name, Object.fromEntries(networks.map((network) => [network, 1])))
  }

  /** A machine on two networks that passes nothing on by itself. */
  between(name: string, one: string, other: string, number: number): readonly Host[] {
    return this.#on(name, { [one]: number, [other]: number })
  }

  /** Limits what a host sends and receives, in Mbit/s. */
  rate({ space, port, plug }: Host, mbit: number): void {
    const limit = ['tbf', 'rate', `${mbit}mbit`, 'burst', '16kb', 'latency', `${BUFFER_MS}ms`]
    this.#inside(space, 'tc', 'qdisc', 'replace', 'dev', port, 'root', ...limit)
    this.#inside(this.#hub, 'tc', 'qdisc', 'replace', 'dev', plug, 'root', ...limit)
  }

  /** Bytes that a host with a limited rate has sent since the limit was set, headers of its packets included. */
  sent({ space, port }: Host): number {
    const told = this.#inside(space, 'tc', '-s', 'qdisc', 'show', 'dev', port)
    const bytes = /Sent (\d+) bytes/.exec(told)?.[1]
    if (bytes === undefined) throw new Error(`tc does not say what ${port} has sent: ${told}`)
    return Number(bytes)
  }

  /** Pulls a host's cable. */
  cut({ plug }: Host): void {
    this.#inside(this.#hub, 'ip', 'link', 'set', plug, 'down')
  }

  /** Puts it back. */
  heal({ plug }: Host): void {
    this.#inside(this.#hub, 'ip', 'link', 'set', plug, 'up')
  }

  /** Starts a program on a host. */
  start({ space }: Host, program: string, args: readonly string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', space, program, ...args], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#processes.add(child)
    child.once('exit', () => this.#processes.delete(child))
    return child
  }

  /** Ends what runs on the bed, and removes it. */
  async remove(): Promise<void> {
    const ended = [...this.#processes].map((child) => new Promise((resolve) => child.once('exit', resolve)))
    // `ip netns exec` becomes the program that it starts.
    for (const child of this.#processes) child.kill('SIGKILL')
    await Promise.all(ended)
    for (const space of this.#spaces) attempt('ip', ['netns', 'del', space])
  }

  #routing(name: string, numbers: Readonly<Record<string, number>>): readonly Host[] {
    const ends = this.#on(name, numbers)
    this.#inside(ends[0].space, 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
    return ends
  }

  /** A machine on several networks, with its number on each. */
  #on(name: string, numbers: Readonly<Record<string, number>>): readonly Host[] {
    const space = `${this.#prefix}${name}`
    this.#space(space)
    return Object.entries(numbers).map(([network, number]) => this.#cable(name, space, network, number))
  }

  #space(space: string): void {
    run('ip', ['netns', 'add', space])
    this.#spaces.push(space)
    this.#inside(space, 'ip', 'link', 'set', 'lo', 'up')
  }

  #cable(name: string, space: string, network: string, number: number): Host {
    const { bridge, prefix } = this.#network(network)
    const cable = this.#cables++
    const [port, plug] = [`p${cable}`, `s${cable}`]
    const address = `${prefix}.${number}`
    run('ip', ['link', 'add', port, 'netns', space, 'type', 'veth', 'peer', 'name', plug, 'netns', this.#hub])
    this.#inside(this.#hub, 'ip', 'link', 'set', plug, 'master', bridge, 'up')
    this.#inside(space, 'ip', 'address', 'add', `${address}/24`, 'dev', port)
    this.#inside(space, 'ip', 'link', 'set', port, 'up')
    return { name, address, space, port, plug }
  }

  #network(name: string): Network {
    const network = this.#networks.get(name)
    if (network === undefined) throw new Error(`The bed has no network ${name}.`)
    return network
  }

  #inside(space: string, ...command: readonly string[]): string {
    return run('ip', ['netns', 'exec', space, ...command])
  }
}

/** Removes the namespaces of test processes that are gone. */
function sweep(): void {
  const names = run('ip', ['netns', 'list'])
    .split('\n')
    .map((line) => line.split(' ')[0])
  for (const name of names) {
    const owner = /^skein-(\d+)-/.exec(name)?.[1]
    if (owner === undefined || isAlive(Number(owner))) continue
    for (const pid of run('ip', ['netns', 'pids', name]).split('\n')) {
      if (pid !== '') attempt('kill', ['-KILL', pid])
    }
    attempt('ip', ['netns', 'del', name])
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
