// Where the package lies, for what is read beside the compiled files.
import { existsSync } from 'node:fs'

/** The nearest folder above the compiled file that holds package.json. */
export const packageRoot: URL = folderOfPackage(new URL('.', import.meta.url))

function folderOfPackage(from: URL): URL {
  return existsSync(new URL('package.json', from)) ? from : folderOfPackage(new URL('..', from))
}
