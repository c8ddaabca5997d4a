// What stops a simulation at once: something that the design promises does not hold.

export class BrokenPromise extends Error {
  override readonly name = 'BrokenPromise'
}

export function broken(what: string): never {
  throw new BrokenPromise(what)
}
