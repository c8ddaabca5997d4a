// What a command that trains nothing and meets nobody must not wait for.
import assert from 'node:assert/strict'
import { pathToFileURL } from 'node:url'
import { realMain, run, script, Workplace } from './processes.js'

describe('A command that needs neither network nor engine', () => {
  const place = new Workplace()
  after(() => place.remove())
  const loadedBy = async (...args: string[]) => {
    const hooks = pathToFileURL(script('./fixtures/told-modules.js')).href
    const { stderr } = await run(realMain, args, place.folder, { NODE_OPTIONS: `--import=${hooks}` })
    return [...stderr.matchAll(/^loads (.*)$/gm)].map(([, url]) => url)
  }
  const heavy =
    /\/(libp2p|@libp2p|@chainsafe|@tensorflow|onnxruntime-node|wabt)\/|\/src\/(network|simulate)\//

  for (const args of [['--help'], ['status', 'nowhere'], ['up', 'x.yaml']])
    it(`answers ${args.join(' ')} without loading them`, async () => {
      const loaded = await loadedBy(...args)
      assert.ok(
        loaded.some((url) => url.endsWith('/src/cli/program.js')),
        'the loaded modules are told',
      )
      assert.deepEqual(
        loaded.filter((url) => heavy.test(url)),
        [],
      )
    })
})
