// Edits text: what a node's hidden widget holds of the edits by hand, as JSON by the SHA-256 of the photo.

const VERSION = 1;

/** The edits in the widget's text; null for text that is none. `readEdit` gives one photo's edit, or null. */
export function readEdits(text, readEdit) {
  if (!text.trim()) return {};
  try {
    const { version, photos } = JSON.parse(text);
    if (version !== VERSION || !isObject(photos)) return null;
    const read = Object.entries(photos).map(([hash, plain]) => [hash, isObject(plain) ? readEdit(plain) : null]);
    return read.every(([, edit]) => edit) ? Object.fromEntries(read) : null;
  } catch {
    return null;
  }
}

/** The widget's text. No edits are no text, so that an untouched node looks untouched. */
export function writeEdits(photos) {
  return Object.keys(photos).length ? JSON.stringify({ version: VERSION, photos }) : "";
}

/**
 * The edits with some fields of one photo's edit set; `undefined` takes a field away, and an edit that says nothing goes.
 * `fieldNames` is the order in which they are written, so that equal edits are equal text.
 */
export function changed(photos, { hash, name }, fields, fieldNames) {
  const { name: _, ...before } = photos[hash] ?? {};
  const edit = inOrder({ ...before, ...fields }, fieldNames);
  const { [hash]: __, ...others } = photos;
  return Object.keys(edit).length ? { ...others, [hash]: { name, ...edit } } : others;
}

/** An edit's fields in one order, without those that say nothing. */
export function inOrder(fields, fieldNames) {
  const names = [...fieldNames, ...Object.keys(fields).filter((name) => !fieldNames.includes(name))];
  return Object.fromEntries(names.filter((name) => fields[name] !== undefined).map((name) => [name, fields[name]]));
}

export function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
