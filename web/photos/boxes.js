// Boxes: parts of a picture as shares (0..1) of its width and height: [left, top, right, bottom]. Draws nothing.

export const WHOLE = Object.freeze([0, 0, 1, 1]);
export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const DECIMALS = 4; // 0.6 pixels of a photo 6000 wide

const clamp = (value, low = 0, high = 1) => Math.min(Math.max(value, low), high);

const rounded = (value) => Number(value.toFixed(DECIMALS));

/** Four finite numbers that span an area within the picture. */
export function isBox(box) {
  if (!Array.isArray(box) || box.length !== 4 || !box.every(Number.isFinite)) return false;
  const [left, top, right, bottom] = box;
  return 0 <= left && left < right && right <= 1 && 0 <= top && top < bottom && bottom <= 1;
}

/** Four numbers cut to the picture, as hand-written edits may reach beyond it. */
export const clampedBox = (box) => box.map((share) => (typeof share === "number" ? clamp(share) : NaN));

/** Two finite numbers within the picture. */
export function isPoint(point) {
  return Array.isArray(point) && point.length === 2 && point.every((share) => Number.isFinite(share) && share >= 0 && share <= 1);
}

/** A point of the picture, wherever the pointer is. */
export const pointAt = (x, y) => [rounded(clamp(x)), rounded(clamp(y))];

export function contains([left, top, right, bottom], [x, y], reach = [0, 0]) {
  return left - reach[0] <= x && x <= right + reach[0] && top - reach[1] <= y && y <= bottom + reach[1];
}

export const area = ([left, top, right, bottom]) => Math.max(0, right - left) * Math.max(0, bottom - top);

export const isWhole = (box) => box.every((share, index) => share === WHOLE[index]);

/** The box with corners at two points, cut to the picture; no side shorter than `least`. */
export function between([x1, y1], [x2, y2], least) {
  const [left, right] = side(x1, x2, least);
  const [top, bottom] = side(y1, y2, least);
  return [left, top, right, bottom];
}

function side(one, other, least) {
  let [low, high] = [clamp(Math.min(one, other)), clamp(Math.max(one, other))];
  if (high - low < least) {
    low = clamp(low, 0, 1 - least);
    high = low + least;
  }
  return [rounded(low), rounded(high)];
}

/** The box shifted, stopped by the picture's rim; its size stays. */
export function moved([left, top, right, bottom], dx, dy) {
  const [width, height] = [right - left, bottom - top];
  const [newLeft, newTop] = [clamp(left + dx, 0, 1 - width), clamp(top + dy, 0, 1 - height)];
  return [newLeft, newTop, Math.min(1, newLeft + width), Math.min(1, newTop + height)].map(rounded);
}

/** The box with the sides that a handle names ("n", "se", ...) moved by so much; none passes its opposite. */
export function resized([left, top, right, bottom], handle, dx, dy, least) {
  if (handle.includes("w")) left = clamp(left + dx, 0, right - least);
  if (handle.includes("e")) right = clamp(right + dx, left + least, 1);
  if (handle.includes("n")) top = clamp(top + dy, 0, bottom - least);
  if (handle.includes("s")) bottom = clamp(bottom + dy, top + least, 1);
  return [left, top, right, bottom].map((share) => rounded(clamp(share)));
}

/** The handle of a box at a point, or null. `reach` says how far around a handle a point counts. */
export function handleAt([left, top, right, bottom], [x, y], reach) {
  const places = {
    nw: [left, top], n: [(left + right) / 2, top], ne: [right, top], e: [right, (top + bottom) / 2],
    se: [right, bottom], s: [(left + right) / 2, bottom], sw: [left, bottom], w: [left, (top + bottom) / 2],
  };
  const near = HANDLES.filter((handle) => contains([...places[handle], ...places[handle]], [x, y], reach));
  return near.find((handle) => handle.length === 2) ?? near[0] ?? null; // in a small box corners win
}
