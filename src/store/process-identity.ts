// Which process a number means: numbers are used again, after a restart of the machine or container at once.
import { readFileSync } from 'node:fs'
import { errorCode } from './store-error.js'

/** Whether a process of this number exists and has not ended: in containers nobody may collect the ended ones. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return statFields(pid)?.[0] !== 'Z'
  } catch (error) {
    // A process of another user exists, but may not be signalled.
    return errorCode(error) === 'EPERM'
  }
}

/**
 * What tells a process from a later one of the same number: on Linux the boot and the start time in clock ticks
 * (proc(5), field 22 of stat); null where the system does not say.
 */
export function processIdentity(pid: number): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    const fields = statFields(pid)
    return fields === null ? null : `${boot}:${fields[19]}`
  } catch {
    return null
  }
}

/** Fields of proc(5)'s stat from the third, the state, on; null where the system does not say. */
function statFields(pid: number): readonly string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // Field 2 is the command in brackets and may itself hold spaces and brackets: count from the last one.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}
