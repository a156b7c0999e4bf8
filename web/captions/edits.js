// Edits: what the user says by hand about captions, as the node's widget keeps it. Reads what trainer/captions/edits.py reads.

import * as editsText from "../shared/edits_text.js";

export const NO_EDIT = Object.freeze({});
const FIELDS = ["name", "caption", "feature", "faceless"];

/** The edits in the widget's text, by the SHA-256 of the photo; null for text that is none. */
export const readEdits = (text) => editsText.readEdits(text, readEdit);

/** The edits with some fields of one photo's edit set; `undefined` takes a field away. */
export const changed = (photos, photo, fields) => editsText.changed(photos, photo, fields, FIELDS);

/** One photo's edit as this page keeps it, or null where it is none. */
function readEdit(plain) {
  const { caption = null, feature = null, faceless = null } = plain;
  const isEdit = [caption, feature].every((text) => text === null || typeof text === "string") &&
    (faceless === null || typeof faceless === "boolean");
  if (!isEdit) return null;
  const said = { caption: caption ?? undefined, feature: feature ?? undefined, faceless: faceless ?? undefined };
  return editsText.inOrder({ ...plain, name: String(plain.name ?? ""), ...said }, FIELDS);
}
