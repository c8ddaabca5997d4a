// Runs npm scripts side by side, each one's output in a piece, and fails if one fails: node .ci/side-by-side.mjs SCRIPT...
import { spawn } from 'node:child_process'

const failed = await Promise.all(process.argv.slice(2).map(run))
process.exitCode = failed.includes(true) ? 1 : 0

function run(script) {
  return new Promise((resolve) => {
    const child = spawn('npm', ['run', '--silent', script], { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        output += chunk
      })
    child.on('error', (error) => {
      output += `npm run ${script} does not start: ${error.message}\n`
    })
    child.on('close', (code) => {
      process.stdout.write(output)
      if (code !== 0) console.log(`npm run ${script} failed`)
      resolve(code !== 0)
    })
  })
}
