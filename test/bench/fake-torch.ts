// Stands for the Python that runs the PyTorch script: speaks its protocol, with times that are easy to recognise.
import { once } from 'node:events'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

// FAKE_TORCH: missing, unready, slow-products, silent, dies, chatty, short, nonsense; FAKE_PORT: where to call, so that a test
// sees this process begin and end.
const { FAKE_TORCH: mode, FAKE_PORT: port } = process.env
const say = (message: object) => void process.stdout.write(`${JSON.stringify(message)}\n`)

if (port !== undefined) await once(connect(Number(port), '127.0.0.1'), 'connect')
if (mode === 'missing') {
  say({ error: "torch does not load: No module named 'torch'" })
  process.exit(1)
}
if (mode === 'unready') await once(process.stdin.resume(), 'end')
if (mode === 'chatty') process.stdout.write('a warning of some library\n')
say({ ready: true, torch: '9.9.9', device: 'fake', blas: 'FakeBLAS', parameters: 7 })

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as { run: string; count: number }
  if (mode === 'silent') continue
  if (mode === 'dies') {
    process.stderr.write('out of cheese\n')
    process.exit(3)
  }
  switch (request.run) {
    case 'steps':
      say({ ms: Array.from({ length: request.count - (mode === 'short' ? 1 : 0) }, (_, i) => 1000 + i) })
      break
    case 'sgemm':
      say({ gflops: mode === 'slow-products' ? 0.001 : 1e6 })
      break
    default:
      say(mode === 'nonsense' ? { peak: 'much' } : { peakBytes: 12345 })
  }
}
