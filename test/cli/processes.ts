// Runs command lines in real processes.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const script = (path: string) => fileURLToPath(new URL(path, import.meta.url))
export const realMain = script('../../src/cli/main.js')
export const withFakes = script('./fixtures/skein-with-fakes.js')

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly process: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves once stdout holds `text`, or what it describes. */
  shows(text: string | RegExp): Promise<void>
}

/** Starts `node main ARGS` in `folder`. */
export function start(
  main: string,
  args: readonly string[],
  folder: string,
  env: NodeJS.ProcessEnv = {},
): Running {
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
  const shows = (text: string | RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (typeof text === 'string' ? stdout.includes(text) : text.test(stdout)) resolve()
      }
      child.stdout.on('data', look)
      child.on('close', () => reject(new Error(`ended without showing ${text}:\n${stdout}\n${stderr}`)))
      look()
    })
  return { process: child, ended, shows }
}

export const run = (
  main: string,
  args: readonly string[],
  folder: string,
  env?: NodeJS.ProcessEnv,
): Promise<Ended> => start(main, args, folder, env).ended

/** A fresh folder that holds swarm files with the given peers, first the founder; and what runs in it. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'skein-cli-'))
  readonly #started: Running[] = []

  swarm(peers: readonly string[], run = ''): string {
    const lines = [
      'name: fake',
      'clusters: [{ name: a }, { name: b }]',
      'peers:',
      ...peers.map((name) => `  - { name: ${name}, cluster: a }`),
      run,
    ]
    writeFileSync(join(this.folder, 'fake.yaml'), lines.join('\n'))
    return 'fake.yaml'
  }

  /** Starts `skein ARGS` here, for as long as the folder is there. */
  start(...args: readonly string[]): Running {
    const running = start(realMain, args, this.folder)
    this.#started.push(running)
    return running
  }

  /** What `skein ARGS` comes to here. */
  run(...args: readonly string[]): Promise<Ended> {
    return run(realMain, args, this.folder)
  }

  /** Kills peers of a run in this folder, each by the process that it says it is. */
  killPeers(runFolder: string, names: readonly string[]): void {
    for (const name of names) {
      const status = readFileSync(join(this.folder, runFolder, 'peers', name, 'status.json'), 'utf8')
      const { pid } = JSON.parse(status) as { pid: number }
      process.kill(pid, 'SIGKILL')
    }
  }

  /** Kills what was started here and runs still, and removes the folder. */
  async leave(): Promise<void> {
    for (const { process } of this.#started) process.kill('SIGKILL')
    await Promise.all(this.#started.map(({ ended }) => ended))
    this.remove()
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}
