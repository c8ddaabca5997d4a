// A message that is too large for one frame, as smaller ones that say the same.
import type { RunId } from '../core/ids.js'
import { type Address, type Append, type Channel, type Message, mainChannel } from '../core/messages.js'
import { CONTROL_CAP_BYTES } from './codec.js'
import { seal } from './envelope.js'

/**
 * A message as sealed frames that a receiver takes, in the order in which they are to be sent: one, unless its
 * entries or addresses are too many for it.
 *
 * @throws RangeError if it is too large and cannot be divided
 */
export function sealedFrames(
  run: RunId,
  message: Message,
  channel: Channel = mainChannel,
): readonly Uint8Array[] {
  const bytes = seal(run, message, channel)
  if (bytes.byteLength <= CONTROL_CAP_BYTES) return [bytes]
  const parts = smaller(message)
  if (parts !== null) return parts.flatMap((part) => sealedFrames(run, part, channel))
  throw new RangeError(
    `A ${message.type} message of ${bytes.byteLength} bytes: at most ${CONTROL_CAP_BYTES} can be sent; split it.`,
  )
}

function smaller(message: Message): readonly Message[] | null {
  switch (message.type) {
    case 'append':
      return message.entries.length > 1 ? halvesOf(message) : null
    case 'entries': {
      const { entries } = message
      const middle = entries.length >> 1
      if (middle === 0) return null
      return [entries.slice(0, middle), entries.slice(middle)].map((some) => ({ ...message, entries: some }))
    }
    case 'welcome':
    case 'redirect': {
      const replicas = withFewerAddresses(message.replicas)
      return replicas === null ? null : [{ ...message, replicas }]
    }
    default:
      return null
  }
}

/** The second continues the log where the first ends. */
function halvesOf(append: Append): readonly Append[] {
  const { entries } = append
  const middle = entries.length >> 1
  const { index, term } = entries[middle - 1]
  return [
    { ...append, entries: entries.slice(0, middle) },
    { ...append, prev: { index, term }, entries: entries.slice(middle) },
  ]
}

/** Each replica can still be called at the addresses that it names first. */
function withFewerAddresses(replicas: readonly Address[]): readonly Address[] | null {
  const most = Math.max(0, ...replicas.map(({ addresses }) => addresses.length))
  if (most <= 1) return null
  return replicas.map(({ peer, addresses }) => ({ peer, addresses: addresses.slice(0, most >> 1) }))
}
