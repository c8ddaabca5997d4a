// Names of the gossip topics, scoped to a run so that runs on one network never mix.
import type { RunId } from '../core/ids.js'
import type { Topic } from '../core/messages.js'

export function topicName(run: RunId, topic: Topic): string {
  switch (topic.kind) {
    case 'ledger':
      return `skein/${run}/ledger`
    case 'assignments':
    case 'gradients':
      return `skein/${run}/${topic.kind}/${topic.cluster}`
  }
}

/** Whether a topic is of this run; of any run while none is known. */
export function isTopicOf(run: RunId | null, topic: string): boolean {
  if (!/^skein\/[0-9a-f]{16,64}\/(ledger|(assignments|gradients)\/.{1,64})$/.test(topic)) return false
  return run === null || topic.startsWith(`skein/${run}/`)
}
