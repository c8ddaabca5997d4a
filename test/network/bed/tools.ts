// What the test bed needs of the machine: root, network namespaces, `ip`, `tc` and `nft`.
import { spawnSync } from 'node:child_process'

/** Runs a program to its end. @throws Error with its command line and what it wrote to stderr */
export function run(program: string, args: readonly string[], input?: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', input })
  if (error !== undefined) throw new Error(`${program}: ${error.message}`)
  if (status === 0) return stdout
  throw new Error(`${[program, ...args].join(' ')}: ${stderr.trim() || `exit code ${status}`}`)
}

/** Runs a program whose failure means that there is nothing to do. */
export function attempt(program: string, args: readonly string[]): void {
  spawnSync(program, args)
}

let known: string | null | undefined

/** Why scenarios cannot run here; null if they can. */
export function whyNoBed(): string | null {
  known ??= probe() ?? ''
  return known === '' ? null : known
}

function probe(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  const packages = { ip: 'iproute2', tc: 'iproute2', nft: 'nftables' }
  for (const [program, name] of Object.entries(packages)) {
    if (spawnSync(program, ['-V']).error !== undefined)
      return `${program} is not installed (Debian package ${name})`
  }
  const name = `skein-${process.pid}-probe`
  try {
    run('ip', ['netns', 'add', name])
    run('ip', ['netns', 'exec', name, 'nft', '-f', '-'], natRules('preserving', 'lo'))
    return null
  } catch (error) {
    return (error as Error).message
  } finally {
    attempt('ip', ['netns', 'del', name])
  }
}

/**
 * How a router changes source ports. `preserving` keeps them, so that others can call where a STUN responder saw the
 * peer; `symmetric` draws a new one for each destination.
 */
export type NatKind = 'preserving' | 'symmetric'

/** A router lets out everything, and in only what answers it. */
export function natRules(kind: NatKind, outside: string): string {
  const ports = kind === 'symmetric' ? ' fully-random' : ''
  return `
    table ip router {
      chain out {
        type nat hook postrouting priority 100
        oifname "${outside}" masquerade${ports}
      }
      chain through {
        type filter hook forward priority 0; policy drop
        ct state established,related accept
        ct status dnat accept
        iifname != "${outside}" accept
      }
      chain itself {
        type filter hook input priority 0
        iifname "${outside}" ct state new drop
      }
    }`
}
