// Ways to code a pseudo-gradient, by their names in manifests and run files.

/** From the most exact to the shortest. */
export const codecNames = ['fp32', 'bf16', 'int8', 'int4', 'topk'] as const
export type CodecName = (typeof codecNames)[number]
