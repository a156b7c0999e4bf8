// Dom: elements made from plain values. Knows no photo.

/** An element. `on...` are listeners, `style` and `dataset` are objects, the others properties or attributes. */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style" || name === "dataset") Object.assign(element[name], value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter(isThere));
  return element;
}

const isThere = (child) => child !== null && child !== undefined && child !== false;

/** Put a box's place, in shares of its parent, on an element. */
export function place(element, [left, top, right, bottom]) {
  const percent = (share) => `${(share * 100).toFixed(3)}%`;
  Object.assign(element.style, {
    left: percent(left), top: percent(top), width: percent(right - left), height: percent(bottom - top),
  });
  return element;
}

/**
 * Give an element another text, in the text node that it has. While people scroll, nothing should be put into the page:
 * the front end's styles ask with `:has()` what is in it, and are all asked again.
 */
export function write(element, text) {
  if (element.firstChild) element.firstChild.data = text;
  else element.textContent = text;
}

/** Put other children into an element; whoever had the focus keeps it, by `data-key`. */
export function refill(element, ...children) {
  const key = focusIn(element);
  element.replaceChildren(...children.filter(isThere));
  giveFocus(element, key);
}

/** Put another element in the place of one; whoever had the focus keeps it, by `data-key`. */
export function swap(old, element) {
  const key = focusIn(old);
  old.replaceWith(element);
  giveFocus(element, key);
}

const focusIn = (element) => (element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined);

function giveFocus(element, key) {
  if (key) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** Add a stylesheet once. */
export function addStyle(id, text) {
  if (!document.getElementById(id)) document.head.append(h("style", { id, textContent: text }));
}
