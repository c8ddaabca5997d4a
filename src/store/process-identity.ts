// Which process a number means: numbers are used again, after a restart of the machine or container at once.
import { readFileSync } from 'node:fs'

/** Whether a process of this number exists. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // A process of another user exists, but may not be signalled.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * What tells a process from a later one of the same number: on Linux the boot and the start time in clock ticks
 * (proc(5), field 22 of stat); null where the system does not say.
 */
export function processIdentity(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Field 2 is the command in brackets and may itself hold spaces and brackets: count from the last one.
    const afterCommand = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return `${boot}:${afterCommand[19]}`
  } catch {
    return null
  }
}
