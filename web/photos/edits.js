// Edits: what the user says by hand about photos, as the node's widget keeps it. Reads what trainer/photos/edits.py reads.

import { clampedBox, isBox, isPoint } from "./boxes.js";

const VERSION = 1;
export const LABELS = {
  shot: ["close-up", "medium", "full body", "unknown"],
  pose: ["front", "three-quarter", "profile", "back", "unknown"],
  expression: ["neutral", "smiling", "mouth open", "eyes closed", "unknown"],
  manner: ["natural", "posed", "unknown"],
};
export const NO_EDIT = Object.freeze({});
const FIELDS = ["name", "use", "face", "no_face", "crop", "marks", "labels"];

/** The edits in the widget's text, by the SHA-256 of the photo; null for text that is none. */
export function readEdits(text) {
  if (!text.trim()) return {};
  try {
    const { version, photos } = JSON.parse(text);
    if (version !== VERSION || !isObject(photos)) return null;
    const read = Object.entries(photos).map(([hash, plain]) => [hash, readEdit(plain)]);
    return read.every(([, edit]) => edit) ? Object.fromEntries(read) : null;
  } catch {
    return null;
  }
}

/** The widget's text. No edits are no text, so that an untouched node looks untouched. */
export function writeEdits(photos) {
  return Object.keys(photos).length ? JSON.stringify({ version: VERSION, photos }) : "";
}

/** The edits with some fields of one photo's edit set; `undefined` takes a field away, and an edit that says nothing goes. */
export function changed(photos, { hash, name }, fields) {
  const { name: _, ...before } = photos[hash] ?? NO_EDIT;
  const edit = inOrder({ ...before, ...fields });
  const { [hash]: __, ...others } = photos;
  return Object.keys(edit).length ? { ...others, [hash]: { name, ...edit } } : others;
}

/** The field for one label set, or taken away by an empty value. */
export function withLabel(edit, label, value) {
  const all = { ...edit.labels, [label]: value };
  const labels = Object.fromEntries(Object.keys(LABELS).filter((name) => all[name]).map((name) => [name, all[name]]));
  return { labels: Object.keys(labels).length ? labels : undefined };
}

/** The field for these marks. */
export const withMarks = (marks) => ({ marks: marks.length ? marks : undefined });

/** Whether two photos' edits, or two sets of them, say the same. */
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Whether two sets of edits say the same, in whatever order the photos were edited. */
export function sameForAll(one, other) {
  const hashes = Object.keys(one);
  return hashes.length === Object.keys(other).length && hashes.every((hash) => same(one[hash], other[hash]));
}

/** An edit's fields in one order, without those that say nothing, so that equal edits are equal text. */
function inOrder(fields) {
  const names = [...FIELDS, ...Object.keys(fields).filter((name) => !FIELDS.includes(name))];
  return Object.fromEntries(names.filter((name) => fields[name] !== undefined).map((name) => [name, fields[name]]));
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One photo's edit as this page keeps it, or null where it is none. */
function readEdit(plain) {
  if (!isObject(plain)) return null;
  const { use = null, face = null, no_face: noFace = false, crop = null, marks = [], labels = {} } = plain;
  const boxes = [...marks, ...(crop ? [crop] : [])].map(clampedBox);
  const isEdit =
    [true, false, null].includes(use) && typeof noFace === "boolean" && (face === null || isPoint(face)) &&
    boxes.every(isBox) && isObject(labels) &&
    Object.entries(labels).every(([label, value]) => LABELS[label]?.includes(value));
  if (!isEdit) return null;
  return inOrder({
    ...plain,
    name: String(plain.name ?? ""),
    use: use ?? undefined,
    face: face ?? undefined,
    no_face: noFace || undefined,
    crop: crop ? clampedBox(crop) : undefined,
    ...withMarks(marks.map(clampedBox)),
    ...withLabel({ labels }, "", undefined),
  });
}
