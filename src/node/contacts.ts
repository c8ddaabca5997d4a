// The replicas of the run and where they were last: by them a peer that comes back finds the others.
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Address } from '../core/messages.js'
import { errorCode } from '../store/store-error.js'
import { addressesSchema, peerIdSchema } from '../wire/fields.js'
import { replaceFile } from './loose-file.js'

const contactsSchema = z.array(z.strictObject({ peer: peerIdSchema, addresses: addressesSchema }))

/** Empty where none are kept; a damaged file is as good as none. */
export async function loadContacts(path: string): Promise<readonly Address[]> {
  try {
    return contactsSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError || error instanceof z.ZodError)
      return []
    throw error
  }
}

/** Writes them whenever they are others than before. */
export class Contacts {
  #written = ''

  constructor(private readonly path: string) {}

  keep(contacts: readonly Address[]): void {
    const text = JSON.stringify(contacts)
    if (contacts.length === 0 || text === this.#written) return
    this.#written = text
    replaceFile(this.path, text)
  }
}
