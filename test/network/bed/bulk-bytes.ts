// What every mesh process of the bed holds for others: no two chunks of it are alike.
const BYTES = 16 * 2 ** 20

export function bulkBytes(): Uint8Array {
  const words = new Uint32Array(BYTES / 4)
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i, 2_654_435_761)
  return new Uint8Array(words.buffer)
}
