// The bytes of a file, streamed, and unpacked where its name ends in .gz.
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { dataError } from './data-error.js'

export type ByteStream = AsyncGenerator<Uint8Array, void, undefined>

/** Larger than a stream's usual 64 KiB: fewer turns of the event loop for a large corpus. */
const chunkBytes = 2 ** 20

export const isGzipped = (path: string): boolean => /\.gz$/i.test(path)

/** Streams a file. A gzip file may have several members. @throws UserError if its gzip is broken */
export async function* openBytes(path: string): ByteStream {
  const file = createReadStream(path, { highWaterMark: chunkBytes })
  if (!isGzipped(path)) {
    yield* file
    return
  }
  // The error comes out where the result is read; the callback is for whoever does not read it.
  const unpacked = pipeline(file, createGunzip({ chunkSize: chunkBytes }), () => {})
  try {
    yield* unpacked
  } catch (error) {
    throw isZlibError(error) ? brokenGzip(path, error as Error) : error
  }
}

const isZlibError = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')

const brokenGzip = (path: string, cause: Error): Error =>
  dataError(
    `${path} is not a whole gzip file: ${cause.message}`,
    'fetch the file again (gzip -t checks it), or unpack it and remove .gz from its name',
    cause,
  )
