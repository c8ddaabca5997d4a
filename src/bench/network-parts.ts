// What `skein bench network` can measure; apart from the bench, so that naming the parts loads no network.
export const networkParts = ['point', 'spread', 'contributions', 'heartbeats'] as const
export type NetworkPart = (typeof networkParts)[number]
