// The simplest door that there can be: whoever knows the password is in. What certificates prove is tested elsewhere.
import { createHash } from 'node:crypto'
import type { PeerId } from '../../../src/core/ids.js'
import type { Door } from '../../../src/ports/door.js'

export function passwordDoor(password: string): Door {
  const sign = (from: PeerId, to: PeerId) =>
    new Uint8Array(createHash('sha256').update(`${password} ${from} ${to}`).digest())
  const credential = { chain: [], bearer: null }
  return {
    isIn: true,
    sign,
    show: () => credential,
    judge: () => ({
      admission: { genesis: '{}', leader: null, leaderAddresses: [], credential, membership: null },
    }),
    accept: () => true,
    stands: () => true,
    explain: ({ kind }) => kind,
    arrived: () => {},
    left: () => {},
  }
}
