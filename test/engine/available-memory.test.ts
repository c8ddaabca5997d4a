// How much memory there is: of the machine, and of the control groups that a process is in.
import assert from 'node:assert/strict'
import { availableMemory } from '../../src/engine/available-memory.js'

describe('Available memory', () => {
  const files = (contents: Record<string, string>) => (path: string) => contents[path] ?? null
  const machine = { '/proc/meminfo': 'MemTotal: 16000 kB\nMemFree: 100 kB\nMemAvailable: 8000 kB\n' }
  const unused = () => assert.fail('asked what is free')

  it('is what Linux can make available, not what is free', () => {
    assert.equal(availableMemory(files(machine), unused), 8000 * 1024)
  })

  it('is what is free on other systems', () => {
    assert.equal(
      availableMemory(files({}), () => 5e9),
      5e9,
    )
  })

  it('is what is left of the limit of the control group where that is less, file cache counted as left', () => {
    const group = {
      '/proc/self/cgroup': '0::/pod\n',
      '/sys/fs/cgroup/pod/memory.max': '6000000\n',
      '/sys/fs/cgroup/pod/memory.current': '5000000\n',
      '/sys/fs/cgroup/pod/memory.stat': 'anon 4000000\ninactive_file 700000\n',
    }
    assert.equal(availableMemory(files({ ...machine, ...group }), unused), 1_700_000)
  })

  it('is that of the group around the own one where that has less', () => {
    const groups = {
      '/proc/self/cgroup': '0::/pod/one\n',
      '/sys/fs/cgroup/pod/memory.max': '6000000\n',
      '/sys/fs/cgroup/pod/memory.current': '5500000\n',
      '/sys/fs/cgroup/pod/one/memory.max': 'max\n',
      '/sys/fs/cgroup/pod/one/memory.current': '100\n',
    }
    assert.equal(availableMemory(files({ ...machine, ...groups }), unused), 500_000)
  })

  it('follows control groups of the first version', () => {
    const group = {
      '/proc/self/cgroup': '5:devices:/x\n4:memory:/docker/7\n0::/\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '4000000\n',
      '/sys/fs/cgroup/memory/memory.usage_in_bytes': '1000000\n',
    }
    assert.equal(availableMemory(files({ ...machine, ...group }), unused), 3_000_000)
  })

  it('is 0, not less, in a group over its limit', () => {
    const group = {
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/memory.max': '1000\n',
      '/sys/fs/cgroup/memory.current': '2000\n',
    }
    assert.equal(availableMemory(files({ ...machine, ...group }), unused), 0)
  })
})
