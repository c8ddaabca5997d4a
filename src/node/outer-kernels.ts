// The outer steps as one pass over memory, in WebAssembly SIMD. Nothing is fused or relaxed: every lane is rounded
// after each operation, in the order in which src/outer writes it, so that the bits are those of the plain loops.
import wabt from 'wabt'
import type { OuterStep } from '../outer/optimizer.js'

/** Where the vectors of a step are: for kernels byte offsets into the memory, multiples of 16. */
export interface StepVectors {
  readonly theta: number
  readonly g: number
  /** Of methods without momentum, or without a buffer, any. */
  readonly momentum: number
  readonly buffer: number
  /** Are written. */
  readonly newTheta: number
  /** The momentum of `nesterov` and `milestone`, the buffer of `between-milestones`; of `sgd` none. */
  readonly newSlot: number
}

/** Floats of a SIMD vector: counts are multiples of it. */
export const LANES = 4

interface Exports {
  sgd(theta: number, g: number, newTheta: number, count: number, weight: number, eps: number): number
  nesterov(
    theta: number,
    g: number,
    m: number,
    newTheta: number,
    newM: number,
    count: number,
    weight: number,
    eps: number,
    beta: number,
  ): number
  betweenMilestones(
    theta: number,
    g: number,
    m: number,
    delta: number,
    newTheta: number,
    newDelta: number,
    count: number,
    weight: number,
    eps: number,
    n: number,
    cBeta: number,
  ): number
  milestone(
    theta: number,
    g: number,
    m: number,
    delta: number,
    newTheta: number,
    newM: number,
    count: number,
    weight: number,
    eps: number,
    n: number,
    beta: number,
    remainder: number,
  ): number
}

export class OuterKernels {
  private constructor(private readonly run: Exports) {}

  /** @param compiled from compileOuterKernels */
  static in(memory: WebAssembly.Memory, compiled: WebAssembly.Module): OuterKernels {
    const { exports } = new WebAssembly.Instance(compiled, { host: { memory } })
    return new OuterKernels(exports as unknown as Exports)
  }

  /** Takes a step over `count` floats. @returns whether all that was written are finite numbers */
  take(step: OuterStep, vectors: StepVectors, count: number): boolean {
    return this.#nonFinite(step, vectors, count) === 0
  }

  #nonFinite(step: OuterStep, vectors: StepVectors, count: number): number {
    const { theta, g, momentum: m, buffer: delta, newTheta, newSlot } = vectors
    const { weight, eps } = step
    switch (step.rule) {
      case 'sgd':
        return this.run.sgd(theta, g, newTheta, count, weight, eps)
      case 'nesterov':
        return this.run.nesterov(theta, g, m, newTheta, newSlot, count, weight, eps, step.beta)
      case 'between-milestones': {
        const { N, cBeta } = step
        return this.run.betweenMilestones(theta, g, m, delta, newTheta, newSlot, count, weight, eps, N, cBeta)
      }
      case 'milestone': {
        const { N, beta, remainder } = step
        return this.run.milestone(
          theta,
          g,
          m,
          delta,
          newTheta,
          newSlot,
          count,
          weight,
          eps,
          N,
          beta,
          remainder,
        )
      }
    }
  }
}

export async function compileOuterKernels(): Promise<WebAssembly.Module> {
  const { parseWat } = await wabt()
  const parsed = parseWat('outer-kernels.wat', text, { simd: true, threads: true })
  const { buffer } = parsed.toBinary({})
  parsed.destroy()
  return WebAssembly.compile(buffer)
}

const at = (vector: string) => `(i32.add (local.get $${vector}) (local.get $i))`
const load = (vector: string) => `(v128.load ${at(vector)})`
const all = (scalar: string) => `(f32x4.splat (local.get $${scalar}))`
const get = (local: string) => `(local.get $${local})`
const set = (local: string, value: string) => `(local.set $${local} ${value})`
const add = (a: string, b: string) => `(f32x4.add ${a} ${b})`
const sub = (a: string, b: string) => `(f32x4.sub ${a} ${b})`
const mul = (a: string, b: string) => `(f32x4.mul ${a} ${b})`
const div = (a: string, b: string) => `(f32x4.div ${a} ${b})`

/** Writes a result and notes what is not finite: x - x is 0, but for infinities and NaN, where it is NaN. */
const write = (vector: string, value: string) => `
  ${set('x', value)}
  ${set('bad', `(v128.or ${get('bad')} ${sub(get('x'), get('x'))})`)}
  (v128.store ${at(vector)} ${get('x')})`

/** A loop over whole SIMD vectors; $i runs over byte offsets. Returns 1 if a result is not finite. */
const kernel = (name: string, vectors: readonly string[], scalars: readonly string[], body: string) => `
  (func (export "${name}")
    ${[...vectors, 'count'].map((vector) => `(param $${vector} i32)`).join(' ')}
    ${scalars.map((scalar) => `(param $${scalar} f32)`).join(' ')} (result i32)
    (local $i i32) (local $end i32)
    (local $gradient v128) (local $m1 v128) (local $step v128) (local $x v128) (local $bad v128)
    (local.set $end (i32.shl (local.get $count) (i32.const 2)))
    (block $done (loop $next
      (br_if $done (i32.ge_u (local.get $i) (local.get $end)))
      ${set('gradient', mul(all('weight'), load('g')))}
      ${body}
      ${write('newTheta', sub(load('theta'), mul(all('eps'), get('step'))))}
      (local.set $i (i32.add (local.get $i) (i32.const 16)))
      (br $next)))
    (v128.any_true (local.get $bad)))`

const mean = div(get('gradient'), all('n'))
const collected = add(load('delta'), get('gradient'))

const text = `
(module
  (import "host" "memory" (memory 1 65536 shared))
  ${kernel('sgd', ['theta', 'g', 'newTheta'], ['weight', 'eps'], set('step', get('gradient')))}
  ${kernel(
    'nesterov',
    ['theta', 'g', 'm', 'newTheta', 'newM'],
    ['weight', 'eps', 'beta'],
    `${set('m1', add(mul(all('beta'), load('m')), get('gradient')))}
     ${write('newM', get('m1'))}
     ${set('step', add(get('gradient'), mul(all('beta'), get('m1'))))}`,
  )}
  ${kernel(
    'betweenMilestones',
    ['theta', 'g', 'm', 'delta', 'newTheta', 'newDelta'],
    ['weight', 'eps', 'n', 'cBeta'],
    `${set('step', add(mul(all('cBeta'), load('m')), mean))}
     ${write('newDelta', collected)}`,
  )}
  ${kernel(
    'milestone',
    ['theta', 'g', 'm', 'delta', 'newTheta', 'newM'],
    ['weight', 'eps', 'n', 'beta', 'remainder'],
    `${set('m1', add(mul(all('beta'), load('m')), div(collected, all('n'))))}
     ${write('newM', get('m1'))}
     ${set('step', add(mul(all('remainder'), get('m1')), mean))}`,
  )})`
