// How much memory this process may still take. Linux counts its file cache as used, and gives it up when asked: what
// is free says nothing, what is available does.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import os from 'node:os'

/** Reads a file, or gives null where there is none; a parameter so that tests need no other machine. */
export type ReadText = (path: string) => string | null

const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/** Bytes: what the machine has left, or what the process's control group may still take where that is less. */
export function availableMemory(read: ReadText = readText, free: () => number = freeMemory): number {
  return Math.min(machineAvailable(read) ?? free(), ...groupsAvailable(read))
}

/** macOS compresses memory and gives up caches: there, what is free is far below what can be had. */
const freeMemory = (): number => (process.platform === 'darwin' ? os.totalmem() : os.freemem())

function machineAvailable(read: ReadText): number | null {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(read('/proc/meminfo') ?? '')?.[1]
  return kilobytes === undefined ? null : Number(kilobytes) * 1024
}

/** One figure for each control group with a limit: the process's own, and those that it is in. */
function groupsAvailable(read: ReadText): number[] {
  const lines = (read('/proc/self/cgroup') ?? '').split('\n')
  return lines.flatMap((line) => {
    const [, controllers, path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers === '')
      return withParents('/sys/fs/cgroup', path).map((at) => groupAvailable(read, at, version2))
    if (controllers?.split(',').includes('memory')) {
      return withParents('/sys/fs/cgroup/memory', path).map((at) => groupAvailable(read, at, version1))
    }
    return []
  })
}

interface GroupFiles {
  readonly limit: string
  readonly used: string
  /** In memory.stat: file cache that is given up when memory is asked for. */
  readonly cache: RegExp
}

const version1: GroupFiles = {
  limit: 'memory.limit_in_bytes',
  used: 'memory.usage_in_bytes',
  cache: /^total_inactive_file (\d+)$/m,
}
const version2: GroupFiles = { limit: 'memory.max', used: 'memory.current', cache: /^inactive_file (\d+)$/m }

function groupAvailable(read: ReadText, group: string, { limit, used, cache }: GroupFiles): number {
  const most = Number.parseInt(read(`${group}/${limit}`) ?? '', 10)
  const taken = Number.parseInt(read(`${group}/${used}`) ?? '', 10)
  // `max`, or no such file: no limit.
  if (Number.isNaN(most) || Number.isNaN(taken)) return Number.POSITIVE_INFINITY
  const givenUp = Number(cache.exec(read(`${group}/memory.stat`) ?? '')?.[1] ?? 0)
  return Math.max(0, most - taken + givenUp)
}

/** The folder of a group and of all it is in. A container sees its own group as the root, whatever the path says. */
function withParents(root: string, path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '..')
  return [root, ...parts.map((_, i) => [root, ...parts.slice(0, i + 1)].join('/'))]
}

/** Bytes that an engine may take, on its GPU where it has one; null where nobody knows. */
export function availableTo(engine: string, device: number | null): number | null {
  const isOnGpu = engine === 'onnx-webgpu' || engine === 'onnx-cuda'
  return isOnGpu ? availableGpuMemory(device ?? 0) : availableMemory()
}

/** How long the driver's own tool may take to answer, in milliseconds. */
const GPU_PATIENCE = 5000

/** Bytes that are free on an NVIDIA GPU; null where there is none, and for GPUs of others. */
function availableGpuMemory(device: number): number | null {
  const query = ['--query-gpu=memory.free', '--format=csv,noheader,nounits', `--id=${device}`]
  try {
    const answer = execFileSync('nvidia-smi', query, {
      timeout: GPU_PATIENCE,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const mebibytes = Number.parseInt(String(answer), 10)
    return Number.isNaN(mebibytes) ? null : mebibytes * 2 ** 20
  } catch {
    return null
  }
}
