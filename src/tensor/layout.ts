// The layout of a model's parameters in one flat buffer: which tensor lies where.

export interface TensorSpec {
  readonly name: string
  readonly shape: readonly number[]
  /** Whether weight decay applies to it. */
  readonly decayed: boolean
}

/** A tensor with its place, in elements. */
export interface PlacedTensor extends TensorSpec {
  readonly offset: number
  readonly size: number
}

export interface Layout {
  /** In the order of their offsets, without gaps. */
  readonly tensors: readonly PlacedTensor[]
  /** Elements in the whole buffer. */
  readonly size: number
  /** Decayed elements: they fill [0, decayed), so that weight decay is one range. */
  readonly decayed: number
}

/** Places decayed tensors first, otherwise in the order given. Names must be unique. */
export function layOut(specs: readonly TensorSpec[]): Layout {
  if (new Set(specs.map((spec) => spec.name)).size !== specs.length) {
    throw new Error('two tensors of a layout share a name')
  }
  const tensors: PlacedTensor[] = []
  let offset = 0
  for (const spec of [...specs.filter((s) => s.decayed), ...specs.filter((s) => !s.decayed)]) {
    const size = elements(spec.shape)
    tensors.push({ ...spec, offset, size })
    offset += size
  }
  const decayed = tensors.reduce((sum, tensor) => sum + (tensor.decayed ? tensor.size : 0), 0)
  return { tensors, size: offset, decayed }
}

/** Elements of a tensor of this shape. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1)
}

/** The part of `flat` that holds `tensor`, without a copy. */
export function viewOf(flat: Float32Array, tensor: PlacedTensor): Float32Array {
  return flat.subarray(tensor.offset, tensor.offset + tensor.size)
}
