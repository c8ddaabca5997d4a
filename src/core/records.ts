// Plain records with branded keys, which Object.entries would widen to strings.

export type ByKey<Key extends string, Value> = Readonly<Record<Key, Value>>

export const entriesOf = <Key extends string, Value>(record: ByKey<Key, Value>): [Key, Value][] =>
  Object.entries(record) as [Key, Value][]

export const keysOf = <Key extends string, Value>(record: ByKey<Key, Value>): Key[] =>
  Object.keys(record) as Key[]

/** The record with every value changed. */
export const mapValues = <Key extends string, Value>(
  record: ByKey<Key, Value>,
  change: (value: Value) => Value,
): ByKey<Key, Value> =>
  Object.fromEntries(entriesOf(record).map(([key, value]) => [key, change(value)])) as Record<Key, Value>

/** The part of the record whose keys are to be kept. */
export const filterKeys = <Key extends string, Value>(
  record: ByKey<Key, Value>,
  keep: (key: Key) => boolean,
): ByKey<Key, Value> =>
  Object.fromEntries(entriesOf(record).filter(([key]) => keep(key))) as Record<Key, Value>
