// Names of the gossip topics, scoped to a run so that runs on one network never mix.
import type { RunId } from '../../core/ids.js'
import type { Topic } from '../../core/messages.js'

/** @param swarm the cluster whose own swarm it is; null for the only one, or the one above the clusters */
export function topicName(run: RunId, topic: Topic, swarm: string | null): string {
  const place = swarm === null ? `skein/${run}` : `skein/${run}/of/${swarm}`
  switch (topic.kind) {
    case 'ledger':
      return `${place}/ledger`
    case 'assignments':
    case 'gradients':
      return `${place}/${topic.kind}/${topic.cluster}`
  }
}

/** Whether a topic is of this run; of any run while none is known. */
export function isTopicOf(run: RunId | null, topic: string): boolean {
  if (!/^skein\/[0-9a-f]{16,64}\/(of\/.{1,64}\/)?(ledger|(assignments|gradients)\/.{1,64})$/.test(topic))
    return false
  return run === null || topic.startsWith(`skein/${run}/`)
}
