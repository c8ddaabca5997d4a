// Ports for peers that are to be found at the same place when they come back.
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below those that systems give to outgoing connections: no other program takes one while its peer is down. */
const range = { first: 20_000, last: 30_000 } as const

/** Ports of this machine that nobody listens on, a different one for each name. */
export async function freePorts(names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const ports = new Map<string, number>()
  // Two commands that start at once begin at different places.
  let next: number = range.first + (process.pid % (range.last - range.first))
  for (const name of names) {
    while (!(await isFree(next))) next = following(next)
    ports.set(name, next)
    next = following(next)
  }
  return ports
}

const following = (port: number): number => (port === range.last ? range.first : port + 1)

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
