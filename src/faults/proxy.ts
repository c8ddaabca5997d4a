// A network of local TCP proxies between peers, one for each who calls each other: what passes between any two, and
// which way, can be cut, silenced, delayed and slowed.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { fairWeather, Lane, Way, type Weather } from './lane.js'

const host = '127.0.0.1'

interface Passage {
  readonly from: string
  readonly to: string
  readonly caller: Socket
  /** Null until the weather lets the call through. */
  called: Socket | null
  lanes: readonly Lane[]
}

export class FaultyNetwork {
  readonly #ways = new Map<string, Way>()
  readonly #doors = new Map<string, Server>()
  readonly #passages = new Set<Passage>()

  private constructor(private readonly ports: ReadonlyMap<string, number>) {}

  /** @param ports where each peer listens on this machine, by its name */
  static async open(ports: ReadonlyMap<string, number>): Promise<FaultyNetwork> {
    const network = new FaultyNetwork(ports)
    for (const from of ports.keys())
      for (const to of ports.keys()) if (from !== to) await network.#open(from, to)
    return network
  }

  /** Multiaddrs at which one peer reaches all others through its own proxies. */
  addressesFor(peer: string): readonly string[] {
    return [...this.ports.keys()].flatMap((to) => {
      const door = this.#doors.get(key(peer, to))
      return door === undefined ? [] : [`/ip4/${host}/tcp/${(door.address() as AddressInfo).port}`]
    })
  }

  /** Changes what passes from one peer to another, on connections that are there and on new ones. */
  change(from: string, to: string, weather: Partial<Weather>): void {
    const way = this.#way(from, to)
    way.weather = { ...way.weather, ...weather }
    for (const passage of this.#passages) this.#weatherChanged(passage)
  }

  /** Nothing is in the way any more, between anybody. */
  heal(): void {
    for (const way of this.#ways.values()) way.weather = fairWeather
    for (const passage of this.#passages) this.#weatherChanged(passage)
  }

  async close(): Promise<void> {
    for (const passage of this.#passages) reset(passage)
    const doors = [...this.#doors.values()]
    this.#doors.clear()
    await Promise.all(
      doors.map((door) => {
        door.close()
        return once(door, 'close')
      }),
    )
  }

  async #open(from: string, to: string): Promise<void> {
    const door = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (caller) =>
      this.#called(from, to, caller),
    )
    this.#doors.set(key(from, to), door)
    door.listen(0, host)
    await once(door, 'listening')
  }

  #called(from: string, to: string, caller: Socket): void {
    const passage: Passage = { from, to, caller, called: null, lanes: [] }
    this.#passages.add(passage)
    caller.on('error', () => {})
    caller.on('close', () => this.#closed(passage))
    this.#weatherChanged(passage)
  }

  #weatherChanged(passage: Passage): void {
    const { from, to, called, lanes } = passage
    const flows = [this.#way(from, to), this.#way(to, from)].map(({ weather }) => weather.flow)
    if (flows.includes('broken')) return reset(passage)
    for (const lane of lanes) lane.pump()
    // A call needs its answer: one silent way is enough to keep it waiting.
    if (called === null && !flows.includes('silent')) this.#connect(passage)
  }

  #connect(passage: Passage): void {
    const { from, to, caller } = passage
    const called = connect({ port: this.ports.get(to) ?? 0, host, allowHalfOpen: true })
    passage.called = called
    passage.lanes = [
      new Lane(caller, called, this.#way(from, to)),
      new Lane(called, caller, this.#way(to, from)),
    ]
    called.on('close', () => this.#closed(passage))
    caller.resume()
  }

  /** What is left of the other side is its lane's affair. */
  #closed(passage: Passage): void {
    if (!passage.caller.destroyed || passage.called?.destroyed === false) return
    for (const lane of passage.lanes) lane.close()
    this.#passages.delete(passage)
  }

  #way(from: string, to: string): Way {
    const known = this.#ways.get(key(from, to))
    if (known !== undefined) return known
    const way = new Way()
    this.#ways.set(key(from, to), way)
    return way
  }
}

const key = (from: string, to: string): string => `${from} ${to}`

function reset({ caller, called, lanes }: Passage): void {
  for (const lane of lanes) lane.close()
  called?.destroy()
  if (!caller.destroyed) caller.resetAndDestroy()
}
