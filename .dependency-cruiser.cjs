// The layers of the design, enforced: `npx depcruise src --config .dependency-cruiser.cjs`. Type imports count.
const pure = '^src/(core|outer|tensor|wire|swarmfile|ports)/'
const adapters = '^src/(network|engine|model|data|store)/'
const composition = '^src/(node|simulate)/'
const leaves = '^src/(cli|observe|lab|bench|faults)/'
const purePackages = 'zod|msgpackr|yaml|fastest-levenshtein'
const npm = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown']

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to })

module.exports = {
  forbidden: [
    rule('no-circular', 'Files that import each other in a circle cannot be read one by one.', {}, { circular: true }),
    rule(
      'no-orphans',
      'A file that nothing imports, and that imports nothing, is dead.',
      { orphan: true, pathNot: '\\.d\\.ts$' },
      {},
    ),
    rule('no-unresolvable', 'An import must lead somewhere.', {}, { couldNotResolve: true }),
    rule(
      'packages-are-declared',
      'A package that package.json does not list may be gone tomorrow.',
      { path: '^src/' },
      { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    ),
    rule(
      'no-development-packages',
      'The program runs without the packages that only build and test it.',
      { path: '^src/' },
      { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    ),

    rule(
      'pure-layers-touch-no-world',
      'core, outer, tensor, wire, swarmfile and ports run anywhere: no Node built-ins.',
      { path: pure },
      { dependencyTypes: ['core'] },
    ),
    rule(
      'pure-layers-import-pure-layers',
      'What is pure imports only what is pure.',
      { path: pure },
      { path: '^src/', pathNot: pure },
    ),
    rule(
      'pure-layers-use-few-packages',
      'Only schemas, serialisation and the nearest word come from packages.',
      { path: pure },
      { dependencyTypes: npm, pathNot: `^node_modules/(${purePackages})/` },
    ),

    rule(
      'platform-knows-names-only',
      'What Node gives to several folders is used by them and uses none of them.',
      { path: '^src/platform/' },
      { path: '^src/', pathNot: '^src/(platform|core)/' },
    ),
    rule(
      'adapters-do-not-compose',
      'An adapter knows the pure layers and itself; node and simulate put adapters together.',
      { path: adapters },
      { path: '^src/(node|simulate|cli|observe|lab|bench)/' },
    ),
    rule(
      'adapters-do-not-meet',
      'Adapters never import each other.',
      { path: '^src/(network|model|data|store)/' },
      { path: adapters, pathNot: '^src/$1/' },
    ),
    rule(
      'engine-imports-the-model-only',
      'The engine executes the model; it is the one adapter that knows another.',
      { path: '^src/engine/' },
      { path: adapters, pathNot: '^src/(engine|model)/' },
    ),

    rule(
      'libp2p-only-in-network',
      'The network can be changed in one place.',
      { path: '^src/', pathNot: '^src/network/' },
      { path: '^node_modules/(@libp2p|libp2p|@multiformats|@chainsafe/libp2p-gossipsub)/' },
    ),
    rule(
      'gossipsub-only-in-one-module',
      'Gossipsub is configured, and its traps are avoided, in one module.',
      { path: '^src/', pathNot: '^src/network/gossip/gossip\\.ts$' },
      { path: '^node_modules/@chainsafe/libp2p-gossipsub/' },
    ),
    rule(
      'tensorflow-only-in-model-and-engine',
      'Who executes tensor operations is the business of the engine port.',
      { path: '^src/', pathNot: '^src/(model|engine)/' },
      { path: '^node_modules/@tensorflow/' },
    ),

    rule(
      'composition-imports-no-leaf',
      'node and simulate run without any command or view.',
      { path: composition },
      { path: leaves },
    ),
    rule('nobody-imports-the-commands', 'cli is a leaf.', { path: '^src/', pathNot: '^src/cli/' }, { path: '^src/cli/' }),
    rule(
      'views-see-records-only',
      'A view is made of the records of events.jsonl, live or read again later; the model it needs by its sizes.',
      { path: '^src/observe/' },
      { path: `${composition}|${adapters}|^src/(cli|lab|bench)/`, pathNot: '^src/model/config\\.ts$' },
    ),
    rule(
      'benches-measure-and-do-not-show',
      'A bench returns its report; the command prints it.',
      { path: '^src/bench/' },
      { path: '^src/(observe|lab)/' },
    ),
    rule(
      'commands-use',
      'A command starts nodes, reads files and shows; it does not speak on the network itself.',
      { path: '^src/cli/' },
      { path: '^src/(network|model|lab)/', pathNot: '^src/model/(config|parameters)\\.ts$' },
    ),
    rule(
      'commands-load-late-what-is-slow-to-load',
      'Help and mistakes are answered before network, engine and simulation are loaded: by import() in an action.',
      { path: '^src/cli/' },
      {
        path: '^src/(simulate/|bench/([a-z]+-bench|dump)|node/(run-peer|run-relay|ask-status|issue-ticket|orders|doctor/doctor))',
        dynamic: false,
        dependencyTypesNot: ['type-only'],
      },
    ),
    rule(
      'faults-know-processes-and-records-only',
      'What disturbs a run sees it from outside: its sockets, its processes, its records.',
      { path: '^src/faults/' },
      { path: '^src/', pathNot: '^src/(faults|core|outer|swarmfile)/' },
    ),
    rule(
      'only-the-storm-command-simulates',
      'Commands run the real thing; simulations are the whole business of one.',
      { path: '^src/cli/', pathNot: '^src/cli/storm(-progress)?\\.ts$' },
      { path: '^src/simulate/' },
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
}
