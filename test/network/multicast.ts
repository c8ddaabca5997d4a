// Whether peers of this machine can find each other by mDNS at all.
import { createSocket } from 'node:dgram'

/** Whether what is sent to mDNS's group comes back here; in some containers it does not. */
export function multicastWorks(): Promise<boolean> {
  const group = '224.0.0.251'
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  return new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), 1000)
    const settle = (works: boolean) => {
      clearTimeout(timer)
      resolve(works)
    }
    socket.on('error', () => settle(false))
    socket.on('message', () => settle(true))
    socket.bind(0, () => {
      try {
        socket.addMembership(group)
        socket.send('anyone?', socket.address().port, group, (error) => error && settle(false))
      } catch {
        settle(false)
      }
    })
  }).finally(() => socket.close())
}
