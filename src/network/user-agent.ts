// What peers call themselves on the network: it tells the version of the messages that they speak.
import { PROTOCOL_VERSION } from '../wire/envelope.js'

const NAME = 'skein'

export const userAgent = `${NAME}/${PROTOCOL_VERSION}`

/** The version that another peer's name tells; null from a program that is not this one. */
export function versionIn(agent: string | undefined): number | null {
  const version = new RegExp(`^${NAME}/(\\d{1,6})$`).exec(agent ?? '')?.[1]
  return version === undefined ? null : Number(version)
}
