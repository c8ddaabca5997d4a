// The part of the package `ws` that is used; it brings no types.
declare module 'ws' {
  export const WebSocket: unknown
}
