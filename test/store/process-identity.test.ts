// Which processes count as running.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { isRunning, processIdentity } from '../../src/store/process-identity.js'

describe('A process', () => {
  it('is running while it runs', () => {
    assert.ok(isRunning(process.pid))
  })

  it('is not running once it ended, even where its parent never asks for it', async function () {
    // Only Linux tells the state of a process.
    if (processIdentity(process.pid) === null) this.skip()
    // The shell becomes a cat, which has a child that it knows nothing of.
    const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec cat'], { stdio: ['pipe', 'pipe', 'ignore'] })
    try {
      const [line] = await once(parent.stdout, 'data')
      const child = Number(String(line))
      parent.stdin.write('cat is here')
      await once(parent.stdout, 'data')
      assert.ok(isRunning(child))
      process.kill(child, 'SIGKILL')
      while (isRunning(child)) await new Promise(setImmediate)
      // Its number is still taken.
      assert.ok(process.kill(child, 0))
    } finally {
      parent.kill('SIGKILL')
    }
  })
})
