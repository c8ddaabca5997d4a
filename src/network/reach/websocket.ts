// The WebSocket that libp2p calls with; Node 20 has none of its own.

/** Where there is none, the one of the package by which libp2p listens. */
export async function ensureWebSocket(): Promise<void> {
  if ('WebSocket' in globalThis) return
  const { WebSocket } = await import('ws')
  Object.defineProperty(globalThis, 'WebSocket', { value: WebSocket, configurable: true })
}
