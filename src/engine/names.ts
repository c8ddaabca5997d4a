// The names by which engines are chosen.
import { UserError } from '../core/user-error.js'

/** `auto` takes the fastest that works; `tensorflow` is native, `wasm` always there, `cpu` for comparison. */
export const engineNames = ['auto', 'tensorflow', 'wasm', 'cpu'] as const
export type EngineName = (typeof engineNames)[number]

/** @throws UserError that lists the engines there are */
export function parseEngineName(name: string): EngineName {
  const known = engineNames.find((candidate) => candidate === name)
  if (known === undefined) {
    throw new UserError('usage', `there is no engine ${name}`, `use one of: ${engineNames.join(', ')}`)
  }
  return known
}
