// Writes a graph as an ONNX model file. Field numbers are those of onnx.proto (IR version 8).
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { onnxType } from '../trace/elementwise.js'
import { type Attribute, type Graph, type Node, sizeOf, type Value } from '../trace/graph.js'

const IR_VERSION = 8
const OPERATOR_SETS = { '': 20, 'com.microsoft': 1 } as const

/** Uniform values of more elements are made when the graph runs, not stored in the file. */
const STORED_ELEMENTS = 1024

/** @returns the bytes of a ModelProto, which ONNX Runtime and viewers read */
export function modelFile(graph: Graph): Uint8Array {
  const names = nameValues(graph)
  return message((model) => {
    integer(model, 1, IR_VERSION)
    text(model, 2, 'skein')
    bytes(model, 7, graphProto(graph, names))
    const operatorSet = (domain: string, version: number) =>
      message((set) => integer(text(set, 1, domain), 2, version))
    for (const [domain, version] of Object.entries(OPERATOR_SETS))
      bytes(model, 8, operatorSet(domain, version))
  })
}

/** The slash keeps clear of what programs name their inputs and outputs. */
const innerName = (id: number): string => `/${id}`

/** Names of all values; an output's name wins over that of its node. */
function nameValues(graph: Graph): Map<number, string> {
  const names = new Map<number, string>()
  for (const { outputs } of graph.nodes) for (const { id } of outputs) names.set(id, innerName(id))
  for (const { name, value } of graph.outputs) if (value.source.kind === 'node') names.set(value.id, name)
  for (const { name, value } of graph.inputs) names.set(value.id, name)
  return names
}

function graphProto(graph: Graph, names: Map<number, string>): Uint8Array {
  const nameOf = ({ id }: Value): string => names.get(id) ?? innerName(id)
  return message((proto) => {
    const made = new Set<number>()
    const use = (value: Value): void => {
      if (names.has(value.id) || made.has(value.id)) return
      made.add(value.id)
      writeConstant(proto, value)
    }
    for (const node of graph.nodes) {
      node.inputs.forEach(use)
      bytes(proto, 1, nodeProto(node, nameOf))
    }
    for (const { name, value } of graph.outputs) {
      // An output that no node made, or that has another name already, is copied.
      if (names.get(value.id) === name && value.source.kind === 'node') continue
      use(value)
      bytes(proto, 1, rawNode('Identity', '', [nameOf(value)], [name], {}))
    }
    text(proto, 2, 'program')
    for (const { name, value } of graph.inputs) bytes(proto, 11, valueInfo(name, value))
    for (const { name, value } of graph.outputs) bytes(proto, 12, valueInfo(name, value))
  })
}

function writeConstant(proto: BinaryWriter, { id, type, shape, source }: Value): void {
  const name = innerName(id)
  if (source.kind === 'constant') {
    bytes(proto, 5, tensorProto(name, onnxType[type], shape, source.data))
  } else if (source.kind === 'uniform' && sizeOf(shape) <= STORED_ELEMENTS) {
    bytes(proto, 5, tensorProto(name, onnxType[type], shape, filled(type, sizeOf(shape), source.value)))
  } else if (source.kind === 'uniform') {
    bytes(proto, 5, tensorProto(`${name}.shape`, 7, [shape.length], BigInt64Array.from(shape, BigInt)))
    bytes(proto, 5, tensorProto(`${name}.value`, onnxType[type], [], filled(type, 1, source.value)))
    bytes(proto, 1, rawNode('Expand', '', [`${name}.value`, `${name}.shape`], [name], {}))
  } else {
    throw new Error(`a value of kind ${source.kind} reached the file without a node`)
  }
}

function filled(type: Value['type'], length: number, value: number): ArrayBufferView {
  switch (type) {
    case 'float32':
      return new Float32Array(length).fill(value)
    case 'int32':
      return new Int32Array(length).fill(value)
    case 'int64':
      return new BigInt64Array(length).fill(BigInt(value))
    case 'bool':
      return new Uint8Array(length).fill(value)
  }
}

function nodeProto(node: Node, nameOf: (value: Value) => string): Uint8Array {
  const { operator, domain, inputs, outputs, attributes } = node
  return rawNode(operator, domain, inputs.map(nameOf), outputs.map(nameOf), attributes)
}

function rawNode(
  operator: string,
  domain: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Node['attributes'],
): Uint8Array {
  return message((node) => {
    for (const input of inputs) text(node, 1, input)
    for (const output of outputs) text(node, 2, output)
    text(node, 3, outputs[0])
    text(node, 4, operator)
    for (const [name, value] of Object.entries(attributes)) bytes(node, 5, attributeProto(name, value))
    if (domain !== '') text(node, 7, domain)
  })
}

function attributeProto(name: string, value: Attribute): Uint8Array {
  return message((attribute) => {
    text(attribute, 1, name)
    if (typeof value === 'number') {
      integer(integer(attribute, 3, value), 20, 2)
    } else if (typeof value === 'string') {
      integer(text(attribute, 4, value), 20, 3)
    } else if ('float' in value) {
      integer(attribute.tag(2, WireType.Bit32).float(value.float), 20, 1)
    } else {
      for (const element of value) integer(attribute, 8, element)
      integer(attribute, 20, 7)
    }
  })
}

function tensorProto(
  name: string,
  type: number,
  shape: readonly number[],
  data: ArrayBufferView,
): Uint8Array {
  return message((tensor) => {
    for (const extent of shape) integer(tensor, 1, extent)
    integer(tensor, 2, type)
    text(tensor, 8, name)
    bytes(tensor, 9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  })
}

function valueInfo(name: string, { type, shape }: Value): Uint8Array {
  const dimension = (extent: number) => message((proto) => integer(proto, 1, extent))
  const shapeProto = message((proto) => {
    for (const extent of shape) bytes(proto, 1, dimension(extent))
  })
  const tensorType = message((proto) => bytes(integer(proto, 1, onnxType[type]), 2, shapeProto))
  const typeProto = message((proto) => bytes(proto, 1, tensorType))
  return message((info) => bytes(text(info, 1, name), 2, typeProto))
}

function message(write: (writer: BinaryWriter) => unknown): Uint8Array {
  const writer = new BinaryWriter()
  write(writer)
  return writer.finish()
}

const integer = (writer: BinaryWriter, field: number, value: number) =>
  writer.tag(field, WireType.Varint).int64(value)
const text = (writer: BinaryWriter, field: number, value: string) =>
  writer.tag(field, WireType.LengthDelimited).string(value)
const bytes = (writer: BinaryWriter, field: number, value: Uint8Array) =>
  writer.tag(field, WireType.LengthDelimited).bytes(value)
