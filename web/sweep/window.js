// Window: which items of a long line are in sight, and how far to scroll for one to be. Pure; knows no element.

/** The first item in sight and the one after the last, with a few to spare: [first, end]. */
export function inSight(scrollPx, seenPx, itemPx, count, spare = 2) {
  const first = Math.max(0, Math.floor(scrollPx / itemPx) - spare);
  const end = Math.min(count, Math.ceil((scrollPx + Math.max(seenPx, 0)) / itemPx) + spare);
  return [Math.min(first, end), end];
}

/** Where to scroll so that an item is wholly in sight, or as it is. */
export function scrollFor(index, scrollPx, seenPx, itemPx) {
  const top = index * itemPx;
  if (top < scrollPx) return top;
  return top + itemPx > scrollPx + seenPx ? top + itemPx - seenPx : scrollPx;
}
