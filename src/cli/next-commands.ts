// What to try once a run is finished.
import { commandLine } from './command-line.js'

export const afterRunCommands = (folder: string): readonly string[] => [
  commandLine(['sample', folder, 'Once upon a time']),
  commandLine(['eval', folder, '--corpus', 'PATH']),
]
