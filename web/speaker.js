// Speaker: every text of the browser by its key, in the user's language. Each view keeps its own texts.
import { TEXTS as CAPTIONS } from "./captions/texts.js";
import { TEXTS as PHOTOS } from "./photos/texts.js";
import { TEXTS as SHARED } from "./shared/texts.js";
import { TEXTS as SWEEP } from "./sweep/texts.js";
import { TEXTS as TRAINING } from "./training/texts.js";

const VIEWS = [SHARED, PHOTOS, CAPTIONS, SWEEP, TRAINING];

export const LANGUAGES = Object.keys(SHARED);

const TEXTS = Object.fromEntries(
  LANGUAGES.map((language) => [language, Object.assign({}, ...VIEWS.map((texts) => texts[language]))]),
);

/** The keys of a language's texts, with the values that each wants filled in. */
export function keysOf(language) {
  return Object.fromEntries(
    Object.entries(TEXTS[language]).map(([key, text]) => [key, [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).toSorted()]),
  );
}

/** Keys that more than one view has: each would hide the other's text. */
export function sharedKeys() {
  const keys = VIEWS.flatMap((texts) => Object.keys(texts.en));
  return keys.filter((key, index) => keys.indexOf(key) !== index);
}

/** Which of our languages is spoken to a user of ComfyUI's: `zh-TW` is Chinese; all that we do not speak, English. */
export const languageOf = (locale) => (String(locale ?? "en").toLowerCase().startsWith("zh") ? "zh" : "en");

/** A speaker of ComfyUI's language: (key, values) -> text. */
export function speaker(locale) {
  const texts = TEXTS[languageOf(locale)];
  return (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}
