// One-pass kernels over flat buffers, in WebAssembly SIMD: what a graph of operators does in fifteen passes over
// memory, they do in one. Sums are in a fixed order, products are not fused: the same bits on every machine.
import wabt from 'wabt'

/** Pointers are byte offsets into the memory; counts are of floats and multiples of LANES. */
export interface FlatKernels {
  /** The sum of squares, in float64. */
  squares(x: number, count: number): number
  /** x becomes x + weight (y - x). */
  draw(x: number, y: number, count: number, weight: number): void
  /** One AdamW update in place; see adamw in src/model/adamw.ts, which it equals. */
  adamw(
    theta: number,
    m: number,
    v: number,
    gradient: number,
    count: number,
    clip: number,
    beta1: number,
    beta2: number,
    scale2: number,
    epsilon: number,
    rate: number,
    shrink: number,
  ): void
}

/** Floats of a vector. */
export const LANES = 4

/** @param memory that holds the buffers */
export function flatKernels(compiled: WebAssembly.Module, memory: WebAssembly.Memory): FlatKernels {
  return new WebAssembly.Instance(compiled, { host: { memory } }).exports as unknown as FlatKernels
}

export async function compileFlatKernels(): Promise<WebAssembly.Module> {
  const { parseWat } = await wabt()
  const parsed = parseWat('flat-kernels.wat', text, { simd: true })
  const { buffer } = parsed.toBinary({})
  parsed.destroy()
  return WebAssembly.compile(buffer)
}

/** A loop over whole vectors; $i runs over byte offsets from 0. */
const forEachVector = (body: string) => `
  (local.set $end (i32.shl (local.get $count) (i32.const 2)))
  (block $done (loop $next
    (br_if $done (i32.ge_u (local.get $i) (local.get $end)))
    ${body}
    (local.set $i (i32.add (local.get $i) (i32.const 16)))
    (br $next)))`

const at = (buffer: string) => `(i32.add (local.get $${buffer}) (local.get $i))`
const load = (buffer: string) => `(v128.load ${at(buffer)})`
const all = (scalar: string) => `(f32x4.splat (local.get $${scalar}))`

const text = `
(module
  (import "host" "memory" (memory 1 65536))

  (func (export "squares") (param $x i32) (param $count i32) (result f64)
    (local $i i32) (local $end i32) (local $low v128) (local $high v128) (local $sum v128)
    ${forEachVector(`
    (local.set $low (f64x2.promote_low_f32x4 ${load('x')}))
    (local.set $high (f64x2.promote_low_f32x4 (v128.load64_zero offset=8 ${at('x')})))
    (local.set $sum (f64x2.add (local.get $sum) (f64x2.mul (local.get $low) (local.get $low))))
    (local.set $sum (f64x2.add (local.get $sum) (f64x2.mul (local.get $high) (local.get $high))))`)}
    (f64.add (f64x2.extract_lane 0 (local.get $sum)) (f64x2.extract_lane 1 (local.get $sum))))

  (func (export "draw") (param $x i32) (param $y i32) (param $count i32) (param $weight f32)
    (local $i i32) (local $end i32)
    ${forEachVector(`
    (v128.store ${at('x')} (f32x4.add ${load('x')}
      (f32x4.mul (f32x4.sub ${load('y')} ${load('x')}) ${all('weight')})))`)})

  (func (export "adamw")
    (param $theta i32) (param $m i32) (param $v i32) (param $gradient i32) (param $count i32)
    (param $clip f32) (param $beta1 f32) (param $beta2 f32)
    (param $scale2 f32) (param $epsilon f32) (param $rate f32) (param $shrink f32)
    (local $i i32) (local $end i32) (local $rest1 f32) (local $rest2 f32)
    (local $g v128) (local $nextM v128) (local $nextV v128)
    (local.set $rest1 (f32.sub (f32.const 1) (local.get $beta1)))
    (local.set $rest2 (f32.sub (f32.const 1) (local.get $beta2)))
    ${forEachVector(`
    (local.set $g (f32x4.mul ${load('gradient')} ${all('clip')}))
    (local.set $nextM (f32x4.add (f32x4.mul ${load('m')} ${all('beta1')})
      (f32x4.mul (local.get $g) ${all('rest1')})))
    (local.set $nextV (f32x4.add (f32x4.mul ${load('v')} ${all('beta2')})
      (f32x4.mul (f32x4.mul (local.get $g) (local.get $g)) ${all('rest2')})))
    (v128.store ${at('m')} (local.get $nextM))
    (v128.store ${at('v')} (local.get $nextV))
    (v128.store ${at('theta')} (f32x4.sub
      (f32x4.mul ${load('theta')} ${all('shrink')})
      (f32x4.mul ${all('rate')} (f32x4.div (local.get $nextM)
        (f32x4.add (f32x4.sqrt (f32x4.mul (local.get $nextV) ${all('scale2')})) ${all('epsilon')})))))`)}))`
