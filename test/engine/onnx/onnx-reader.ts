// Reads ONNX model files, as far as tests look into them. Field numbers are those of onnx.proto.
import { BinaryReader, type WireType } from '@bufbuild/protobuf/wire'

export interface ModelProto {
  irVersion: number
  producer: string
  operatorSets: Record<string, number>
  graph: GraphProto
}

export interface GraphProto {
  name: string
  nodes: NodeProto[]
  initializers: TensorProto[]
  inputs: ValueInfoProto[]
  outputs: ValueInfoProto[]
}

export interface NodeProto {
  name: string
  operator: string
  domain: string
  inputs: string[]
  outputs: string[]
  attributes: Record<string, number | string | number[]>
  /** AttributeProto's own word for what each attribute holds. */
  attributeTypes: Record<string, number>
}

export interface TensorProto {
  name: string
  type: number
  shape: number[]
  bytes: Uint8Array
}

export interface ValueInfoProto {
  name: string
  type: number
  shape: number[]
}

/** Reads one field; a message's fields are those that its reader names, and any other is an error. */
type Fields = Readonly<Record<number, (reader: BinaryReader) => void>>

function readMessage(reader: BinaryReader, fields: Fields): void {
  while (reader.pos < reader.len) {
    const [field, wireType]: [number, WireType] = reader.tag()
    const read = fields[field]
    if (read === undefined) throw new Error(`field ${field} of wire type ${wireType} is unexpected`)
    read(reader)
  }
}

const nested = (reader: BinaryReader, fields: Fields): void =>
  readMessage(new BinaryReader(reader.bytes()), fields)
const integer = (reader: BinaryReader): number => Number(reader.int64())

export function readModel(file: Uint8Array): ModelProto {
  const model: ModelProto = { irVersion: 0, producer: '', operatorSets: {}, graph: emptyGraph() }
  readMessage(new BinaryReader(file), {
    1: (reader) => (model.irVersion = integer(reader)),
    2: (reader) => (model.producer = reader.string()),
    7: (reader) => readGraph(reader, model.graph),
    8: (reader) => {
      let domain = ''
      let version = 0
      nested(reader, { 1: (set) => (domain = set.string()), 2: (set) => (version = integer(set)) })
      model.operatorSets[domain] = version
    },
  })
  return model
}

const emptyGraph = (): GraphProto => ({ name: '', nodes: [], initializers: [], inputs: [], outputs: [] })

function readGraph(reader: BinaryReader, graph: GraphProto): void {
  nested(reader, {
    1: (field) => graph.nodes.push(readNode(field)),
    2: (field) => (graph.name = field.string()),
    5: (field) => graph.initializers.push(readTensor(field)),
    11: (field) => graph.inputs.push(readValueInfo(field)),
    12: (field) => graph.outputs.push(readValueInfo(field)),
  })
}

function readNode(reader: BinaryReader): NodeProto {
  const node: NodeProto = {
    name: '',
    operator: '',
    domain: '',
    inputs: [],
    outputs: [],
    attributes: {},
    attributeTypes: {},
  }
  nested(reader, {
    1: (field) => node.inputs.push(field.string()),
    2: (field) => node.outputs.push(field.string()),
    3: (field) => (node.name = field.string()),
    4: (field) => (node.operator = field.string()),
    5: (field) => readAttribute(field, node),
    7: (field) => (node.domain = field.string()),
  })
  return node
}

function readAttribute(reader: BinaryReader, node: NodeProto): void {
  let name = ''
  let type = 0
  let value: number | string | number[] = []
  nested(reader, {
    1: (field) => (name = field.string()),
    2: (field) => (value = field.float()),
    3: (field) => (value = integer(field)),
    4: (field) => (value = field.string()),
    8: (field) => (value = [...(value as number[]), integer(field)]),
    20: (field) => (type = integer(field)),
  })
  node.attributes[name] = value
  node.attributeTypes[name] = type
}

function readTensor(reader: BinaryReader): TensorProto {
  const tensor: TensorProto = { name: '', type: 0, shape: [], bytes: new Uint8Array() }
  nested(reader, {
    1: (field) => tensor.shape.push(integer(field)),
    2: (field) => (tensor.type = integer(field)),
    8: (field) => (tensor.name = field.string()),
    9: (field) => (tensor.bytes = field.bytes()),
  })
  return tensor
}

function readValueInfo(reader: BinaryReader): ValueInfoProto {
  const info: ValueInfoProto = { name: '', type: 0, shape: [] }
  const readDimension = (field: BinaryReader): void =>
    nested(field, { 1: (dimension) => info.shape.push(integer(dimension)) })
  const readShape = (field: BinaryReader): void => nested(field, { 1: readDimension })
  nested(reader, {
    1: (field) => (info.name = field.string()),
    2: (field) =>
      nested(field, {
        1: (type) => nested(type, { 1: (tensor) => (info.type = integer(tensor)), 2: readShape }),
      }),
  })
  return info
}
