// JSON with one spelling for each value: keys sorted, nothing optional, so that equal things hash alike.

/** Canonical JSON: keys in code-unit order, no spaces, `undefined` members left out. Throws on what JSON cannot carry exactly. */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`${value} has no canonical JSON`)
      return JSON.stringify(value)
    case 'object':
      if (value === null) return 'null'
      if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
      return `{${members(value as Record<string, unknown>).join(',')}}`
    default:
      throw new TypeError(`a ${typeof value} has no canonical JSON`)
  }
}

function members(object: Record<string, unknown>): string[] {
  return Object.keys(object)
    .filter((key) => object[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key])}`)
}
