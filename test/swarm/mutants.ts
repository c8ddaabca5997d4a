// Safety rules of the protocol, and how to switch each of them off: one piece of compiled code in place of another.

export interface Mutant {
  /** What does not hold any more. */
  readonly rule: string
  /** Compiled file of src/core, and the code that stands in it once. */
  readonly file: string
  readonly code: string
  readonly instead: string
}

export const mutants: readonly Mutant[] = [
  {
    rule: 'a vote is durable before it is given',
    file: 'election.js',
    code: 'hard: hardOf(turn.state),\n        entries: [],\n        thenSend: [{ to: from, message: answer() }]',
    instead: 'hard: null,\n        entries: [],\n        thenSend: [{ to: from, message: answer() }]',
  },
  {
    rule: 'there is one vote per term',
    file: 'election.js',
    code: 'state.vote !== null && state.vote !== from',
    instead: 'false',
  },
  {
    rule: 'a vote goes to a candidate with a complete log only',
    file: 'election.js',
    code: '!atLeastAsComplete(ask.last, own)',
    instead: 'false',
  },
  {
    rule: 'who does not vote is no candidate',
    file: 'election.js',
    code: "if (!mayLead(turn, from))\n        return refuse(turn, 'candidate'",
    instead: "if (false) return refuse(turn, 'candidate'",
  },
  {
    rule: 'a leader of an older term is refused',
    file: 'member.js',
    code: 'if (epoch === state.epoch && term < state.term)',
    instead: 'if (false)',
  },
  {
    rule: 'only a replica may say that it leads',
    file: 'terms.js',
    code: 'isVoter(replica.configuration, from) || (member?.replica === true && member.present)',
    instead: 'true',
  },
  {
    rule: 'entries of earlier terms are committed together with one of the own',
    file: 'replication.js',
    code: 'termAt(replica, reached) === lead.term ? reached : replica.ledger.index',
    instead: 'reached',
  },
  {
    rule: 'an entry is committed by a majority',
    file: 'configuration.js',
    code: '[Math.floor(set.length / 2)]',
    instead: '[0]',
  },
  {
    rule: 'while two sets vote, a majority of both is needed to commit',
    file: 'configuration.js',
    code: 'Math.min(reached(voters), reached(next))',
    instead: 'Math.max(reached(voters), reached(next))',
  },
  {
    rule: 'a leader counts only what is durable on its own disk',
    file: 'replication.js',
    code: 'voter === self ? lead.durable',
    instead: 'voter === self ? lead.head.index',
  },
  {
    rule: 'a payload is durable before the entry that names it is acknowledged',
    file: 'following.js',
    code: 'entries.findIndex((entry) => missingOf(replica, entry) !== undefined)',
    instead: '-1',
  },
  {
    rule: 'entries are durable before they are acknowledged',
    file: 'following.js',
    code: "emit(turn, { type: 'persist', hard: null, entries: taken, thenSend })",
    instead:
      "send(turn, from, thenSend[0].message); emit(turn, { type: 'persist', hard: null, entries: taken, thenSend: [] })",
  },
  {
    rule: 'entries continue the log, or are refused',
    file: 'following.js',
    code: 'termAt(replica, prev.index) !== prev.term',
    instead: 'false',
  },
  {
    rule: 'entries that contradict the leader are replaced',
    file: 'following.js',
    code: 'termAt(replica, index) !== term)',
    instead: 'termAt(replica, index) === null)',
  },
  {
    rule: 'in a new term only what is committed is sure to be in the log of the leader',
    file: 'terms.js',
    code: 'changeReplica(turn, { matched: replica.ledger.index, waiting: null })',
    instead: '0',
  },
  {
    rule: 'a voter has caught up before it votes',
    file: 'configuring.js',
    code: 'proved: here && steady && current',
    instead: 'proved: true',
  },
  {
    rule: 'an assignment is settled once',
    file: 'apply-entry.js',
    code: 'const { [id]: assignment, ...open } = state.open',
    instead: 'const { [id]: assignment } = state.open; const open = state.open',
  },
  {
    rule: 'a round is given up by its own worker only',
    file: 'arrivals.js',
    code: 'if (lead.head.open[id]?.worker !== from)',
    instead: 'if (lead.head.open[id] === undefined)',
  },
  {
    rule: 'a payload is kept while an entry names it',
    file: 'replica.js',
    code: '!named.has(payload)',
    instead: 'true',
  },
  {
    rule: 'which state is right, most voters say',
    file: 'agreement.js',
    code: 'isMajority(all, whoSaid(inquiry, digest))',
    instead: 'whoSaid(inquiry, digest).includes(setup.self.id)',
  },
]
