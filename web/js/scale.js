// @ts-check
/** Scales that end on round numbers. Pure. */

const STEPS = [1, 2, 2.5, 5, 10];

/**
 * The end of a scale that holds all values: round, and never nothing.
 * @param {number[]} values
 */
export function peak(values) {
  const highest = values.reduce((a, b) => Math.max(a, b), 0);
  if (highest <= 0) return 1;
  const magnitude = 10 ** Math.floor(Math.log10(highest));
  return (STEPS.find((step) => step * magnitude >= highest) ?? 10) * magnitude;
}

/** The same for a share, which is not blown up below one per cent. @param {number[]} values */
export function peakOfShares(values) {
  return Math.max(1, peak(values));
}

/** The same for bytes, where round is a power of two. @param {number[]} values */
export function peakOfBytes(values) {
  const highest = values.reduce((a, b) => Math.max(a, b), 0);
  return highest <= 1024 ? 1024 : 2 ** Math.ceil(Math.log2(highest));
}

/** Where a scale is labelled. @param {number} top */
export function ticks(top) {
  return [0, top / 2, top];
}
