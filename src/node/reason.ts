// Why something failed, in words short enough for a message to others and an entry of the ledger.

const mostChars = 1_000

export function reasonOf(error: unknown): string {
  const words = error instanceof Error ? error.message : String(error)
  return words.length <= mostChars ? words : `${words.slice(0, mostChars)}...`
}
