// Edits: what the user says by hand about photos, as the node's widget keeps it. Reads what trainer/photos/edits.py reads.

import * as editsText from "../shared/edits_text.js";
import { inOrder, isObject } from "../shared/edits_text.js";
import { clampedBox, isBox, isPoint } from "./boxes.js";

export const LABELS = {
  shot: ["close-up", "medium", "full body", "unknown"],
  pose: ["front", "three-quarter", "profile", "back", "unknown"],
  expression: ["neutral", "smiling", "mouth open", "eyes closed", "unknown"],
  manner: ["natural", "posed", "unknown"],
};
export const NO_EDIT = Object.freeze({});
const FIELDS = ["name", "use", "face", "no_face", "crop", "marks", "labels"];

/** The edits in the widget's text, by the SHA-256 of the photo; null for text that is none. */
export const readEdits = (text) => editsText.readEdits(text, readEdit);

/** The edits with some fields of one photo's edit set; `undefined` takes a field away. */
export const changed = (photos, photo, fields) => editsText.changed(photos, photo, fields, FIELDS);

/** The field for one label set, or taken away by an empty value. */
export function withLabel(edit, label, value) {
  const all = { ...edit.labels, [label]: value };
  const labels = Object.fromEntries(Object.keys(LABELS).filter((name) => all[name]).map((name) => [name, all[name]]));
  return { labels: Object.keys(labels).length ? labels : undefined };
}

/** The field for these marks. */
export const withMarks = (marks) => ({ marks: marks.length ? marks : undefined });

/** One photo's edit as this page keeps it, or null where it is none. */
function readEdit(plain) {
  const { use = null, face = null, no_face: noFace = false, crop = null, marks = [], labels = {} } = plain;
  const boxes = [...marks, ...(crop ? [crop] : [])].map(clampedBox);
  const isEdit =
    [true, false, null].includes(use) && typeof noFace === "boolean" && (face === null || isPoint(face)) &&
    boxes.every(isBox) && isObject(labels) &&
    Object.entries(labels).every(([label, value]) => LABELS[label]?.includes(value));
  if (!isEdit) return null;
  const said = {
    ...plain,
    name: String(plain.name ?? ""),
    use: use ?? undefined,
    face: face ?? undefined,
    no_face: noFace || undefined,
    crop: crop ? clampedBox(crop) : undefined,
    ...withMarks(marks.map(clampedBox)),
    ...withLabel({ labels }, "", undefined),
  };
  return inOrder(said, FIELDS);
}
