// Rewrites a graph operator by operator: how graphs are fitted to what executes them.
import { type Graph, GraphBuilder, type Node, type Value } from './graph.js'
import { Recording } from './recording.js'

export interface RewriteContext {
  readonly record: Recording
  /** Whether nothing but the operator at hand uses a value, so that what made it may be merged into it. */
  isUsedOnce(value: Value): boolean
}

/** What to record instead of an operator whose inputs are rewritten already; null leaves it as it is. */
export type Rule = (node: Node, context: RewriteContext) => readonly Value[] | null

/** The graph with the first rule that matches applied to each operator, in their order. */
export function rewrite(graph: Graph, rules: readonly Rule[]): Graph {
  const builder = new GraphBuilder()
  const uses = countUses(graph)
  const replaced = new Map<number, Value>()
  const usesOfNew = new Map<number, number>()
  const context: RewriteContext = {
    record: new Recording(builder),
    isUsedOnce: (value) => usesOfNew.get(value.id) === 1,
  }

  const translate = (value: Value): Value => {
    const known = replaced.get(value.id)
    if (known !== undefined) return known
    const translated = builder.adopt(value, translate)
    replaced.set(value.id, translated)
    return translated
  }
  for (const node of graph.nodes) {
    const inputs = node.inputs.map(translate)
    const current = { ...node, inputs }
    const outputs = firstMatch(rules, current, context) ?? recordAgain(builder, current)
    for (const [i, output] of node.outputs.entries()) {
      const { id } = outputs[i]
      replaced.set(output.id, outputs[i])
      // A rule may give back a value that others use already.
      usesOfNew.set(id, (usesOfNew.get(id) ?? 0) + (uses.get(output.id) ?? 0))
    }
  }
  const named = ({ name, value }: Graph['inputs'][number]) => ({ name, value: translate(value) })
  return builder.finish(graph.inputs.map(named), graph.outputs.map(named))
}

function firstMatch(rules: readonly Rule[], node: Node, context: RewriteContext): readonly Value[] | null {
  for (const rule of rules) {
    const outputs = rule(node, context)
    if (outputs !== null) return outputs
  }
  return null
}

function recordAgain(builder: GraphBuilder, node: Node): readonly Value[] {
  return builder.node(node.operator, node.inputs, node.attributes, node.outputs, node.domain)
}

function countUses({ nodes, outputs }: Graph): Map<number, number> {
  const uses = new Map<number, number>()
  const count = ({ id }: Value) => uses.set(id, (uses.get(id) ?? 0) + 1)
  for (const { inputs } of nodes) inputs.forEach(count)
  for (const { value } of outputs) count(value)
  return uses
}
