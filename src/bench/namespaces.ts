// Networks of this machine's own: one namespace for each peer, joined by a bridge, each with a rate both ways.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const ip = (...args: string[]) => execute('ip', args)

export interface Namespaces {
  /** The namespace of each peer, and its address. */
  readonly peers: readonly { readonly namespace: string; readonly address: string }[]
  remove(): Promise<void>
}

/**
 * Null where this process may not make any, or the tools are not there.
 *
 * @param megabits of each peer, both ways
 */
export async function openNamespaces(count: number, megabits: number): Promise<Namespaces | null> {
  const prefix = `skein${process.pid}`
  const bridge = `${prefix}b`
  const made: string[] = []
  const remove = async () => {
    for (const namespace of made.splice(0)) await ip('netns', 'del', namespace).catch(() => {})
  }
  const add = async (namespace: string) => {
    await ip('netns', 'add', namespace)
    made.push(namespace)
  }
  const within = (namespace: string, ...args: string[]) => ip('-n', namespace, ...args)
  try {
    await add(bridge)
    await within(bridge, 'link', 'add', 'br0', 'type', 'bridge')
    await within(bridge, 'link', 'set', 'br0', 'up')
    const peers: { namespace: string; address: string }[] = []
    for (let i = 1; i <= count; i++) {
      const namespace = `${prefix}p${i}`
      const address = `10.213.7.${i}`
      await add(namespace)
      await within(bridge, 'link', 'add', `v${i}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
      await within(bridge, 'link', 'set', `v${i}`, 'master', 'br0', 'up')
      await within(namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
      await within(namespace, 'link', 'set', 'eth0', 'up')
      await within(namespace, 'link', 'set', 'lo', 'up')
      await limit(bridge, `v${i}`, megabits)
      await limit(namespace, 'eth0', megabits)
      peers.push({ namespace, address })
    }
    return { peers, remove }
  } catch {
    await remove()
    return null
  }
}

/** A queue of 200 ms, as a home router has. */
function limit(namespace: string, device: string, megabits: number) {
  const burst = Math.max(32, Math.round(megabits * 1.25))
  const filter = ['tbf', 'rate', `${megabits}mbit`, 'burst', `${burst}kb`, 'latency', '200ms']
  return execute('tc', ['-n', namespace, 'qdisc', 'add', 'dev', device, 'root', ...filter])
}
