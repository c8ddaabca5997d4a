// Whether the router of this network forwards ports where a program asks it to.
import { upnpNat } from '@achingbrain/nat-port-mapper'
import { messageOf } from '../errors.js'

const SEARCH_MS = 3_000
const ANSWER_MS = 2_000

/** The router that takes requests, and the address that it has outside; or why there is none. */
export type ForwardingRouter =
  | { readonly router: string; readonly outside: string }
  | { readonly reason: string }

/** Looks for one by version 2 of UPnP's gateway protocol, the one that is used; nothing is forwarded by that. */
export async function findForwardingRouter(): Promise<ForwardingRouter> {
  try {
    for await (const gateway of upnpNat().findGateways({ signal: AbortSignal.timeout(SEARCH_MS) })) {
      const outside = await gateway.externalIp({ signal: AbortSignal.timeout(ANSWER_MS) })
      return { router: gateway.host, outside }
    }
  } catch (error) {
    return { reason: messageOf(error) }
  }
  return { reason: `none answered within ${SEARCH_MS / 1000} s` }
}
