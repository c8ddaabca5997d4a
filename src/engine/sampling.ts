// Draws the next token from logits.

/**
 * @param temperature divides the logits; 0 takes the most likely token
 * @param draw a uniform number in [0, 1)
 */
export function sample(logits: Float32Array, temperature: number, draw: number): number {
  const likeliest = logits.indexOf(logits.reduce((most, logit) => Math.max(most, logit)))
  if (temperature === 0) return likeliest
  const weights = Array.from(logits, (logit) => Math.exp((logit - logits[likeliest]) / temperature))
  let left = draw * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [token, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return token
  }
  return likeliest
}
