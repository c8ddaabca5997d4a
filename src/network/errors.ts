// Errors of others, made fit for our own: whatever was thrown as an Error, and in words.

export const asError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown))

export const messageOf = (thrown: unknown): string => asError(thrown).message
