// Chooses the run folder and says so where the choice may surprise.
import { chooseRunFolder, type RunFolderRequest } from '../store/run-folder.js'
import type { Io } from './io.js'

/** The folder of the run; on stderr a word on which one it is when it was picked for the user. */
export function announcedFolder(io: Io, request: RunFolderRequest): string {
  const { folder, note } = chooseRunFolder(request)
  if (note !== null) io.stderr.write(`${note}\n`)
  if (request.resume && request.out === null) io.stderr.write(`resuming the run in ${folder}\n`)
  return folder
}
