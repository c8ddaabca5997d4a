// How numbers, times and texts are written for people: the same everywhere.
import { stripVTControlCharacters } from 'node:util'

/** `1.5 MB`: powers of 1000, three digits. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let amount = count
  let unit = 0
  // 999.5 would be printed as 1000.
  while (amount >= 999.5 && unit < units.length - 1) {
    amount /= 1000
    unit++
  }
  return `${unit === 0 ? amount : threeDigits(amount)} ${units[unit]}`
}

/** `30.3k`, `0.37M`: counts of parameters and tokens. */
export function count(amount: number): string {
  if (amount < 10_000) return String(Math.round(amount))
  if (amount < 99_950) return `${threeDigits(amount / 1000)}k`
  if (amount < 1e6) return `${(amount / 1e6).toFixed(2)}M`
  return amount < 1e9 ? `${threeDigits(amount / 1e6)}M` : `${threeDigits(amount / 1e9)}B`
}

const threeDigits = (amount: number): string => amount.toFixed(amount < 9.995 ? 2 : amount < 99.95 ? 1 : 0)

/** `0:42`, `12:05`, `3:00:07`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  const two = (part: number) => String(part).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** Nats per token. */
export const loss = (nats: number): string => nats.toFixed(3)
export const percent = (share: number): string => `${Math.round(share * 100)} %`
export const perplexityOf = (nats: number): number => Math.exp(nats)
export const perplexity = (value: number): string =>
  value < 1000 ? value.toFixed(value < 100 ? 2 : 1) : value.toPrecision(3)

/** One line without control characters: names and reasons come from other machines and may hold anything. */
export const clean = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the purpose
  stripVTControlCharacters(text).replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')

/** Several lines, each free of control characters. */
export const cleanLines = (text: string): string => text.split(/\r?\n/).map(clean).join('\n')

/** Columns a text takes on a terminal, colours not counted. */
export const width = (text: string): number => [...stripVTControlCharacters(text)].length

/** Cuts plain text to `columns`, showing that it was cut. */
export function cut(text: string, columns: number): string {
  const characters = [...text]
  if (characters.length <= columns) return text
  return columns < 1 ? '' : `${characters.slice(0, columns - 1).join('')}…`
}
