// The part of the package `ws` that is used; it brings no types.
declare module 'ws' {
  import type { EventEmitter } from 'node:events'

  export class WebSocket extends EventEmitter {
    constructor(
      url: string,
      options: { readonly rejectUnauthorized: boolean; readonly perMessageDeflate: boolean },
    )
    binaryType: string
    close(code?: number): void
    terminate(): void
  }
}
