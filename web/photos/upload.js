// Upload: which files go where under which names, and the sending of them, as a state that a view can draw.
//
// { tag: "idle" }
// { tag: "sending", folder, jobs, left, sent, missing }     missing: [{ job, why, values }]
// { tag: "ended", folder, jobs, sent, missing, leftOut }

export const SUFFIXES = ["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif", "avif", "heic", "heif"];
const AT_ONCE = 3;
const RESERVED = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])$/i;
const MAX_NAME = 120; // with a path before it still within Windows' 260 characters
const DEFAULT_FOLDER = "photos";

export const IDLE = Object.freeze({ tag: "idle" });

/** The state after an event. */
export function next(state, event) {
  const sending = state.tag === "sending";
  switch (event.type) {
    case "start": {
      const { folder, jobs, leftOut } = event;
      return sending ? state : { tag: "sending", folder, jobs, left: jobs.length, sent: 0, missing: [], leftOut };
    }
    case "sent":
      return sending ? { ...state, left: state.left - 1, sent: state.sent + 1 } : state;
    case "failed": {
      const { job, why, values } = event;
      return sending ? { ...state, left: state.left - 1, missing: [...state.missing, { job, why, values }] } : state;
    }
    case "end": {
      if (!sending) return state;
      const { left: _, ...ended } = state;
      return { ...ended, tag: "ended" };
    }
    default:
      return state;
  }
}

const splitName = (name) => {
  const dot = name.lastIndexOf(".");
  return dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
};

export const isPicture = (name) => SUFFIXES.includes(splitName(name)[1].slice(1).toLowerCase());

/** What file managers leave in folders, of which nobody wants to hear. */
export const isClutter = (name) => name.startsWith(".") || /^(thumbs\.db|desktop\.ini)$/i.test(name);

/** A name that every system takes, Windows too; Chinese and emoji stay. */
export function safeName(name) {
  // eslint-disable-next-line no-control-regex
  const clean = name.normalize("NFC").replace(/[\u0000-\u001f\u007f<>:"/\\|?*\ufffd]/g, "_").replace(/[\ud800-\udfff]/gu, "_");
  const [stem, suffix] = splitName(clean.replace(/^[. ]+|[. ]+$/g, ""));
  const short = [...stem].slice(0, MAX_NAME - suffix.length).join("").replace(/[. ]+$/, "");
  if (!short) return `${DEFAULT_FOLDER}${suffix}`;
  return (RESERVED.test(short.split(".")[0]) ? `_${short}` : short) + suffix;
}

/** The subfolder of `input` that the widget names already, or null for an absolute path and for nothing. */
export function ownSubfolder(value) {
  const text = value.trim().replace(/^"|"$/g, "");
  if (!text || /^([/\\~]|[a-z]:)/i.test(text)) return null;
  const parts = text.split(/[/\\]+/).filter((part) => part && part !== ".");
  return parts.length && !parts.includes("..") ? parts.map(safeName).join("/") : null;
}

/** A folder's name that is not among those there are. */
export function newFolder(wanted, known) {
  const name = safeName(wanted || DEFAULT_FOLDER);
  const taken = new Set(known.map((each) => each.toLowerCase()));
  let [free, number] = [name, 2];
  while (taken.has(free.toLowerCase())) free = `${name} ${number++}`;
  return free;
}

/**
 * What to send: a job per photo, under a name that no other photo of this drop has, with the caption file beside it, if
 * any: a.txt, a.caption or a.jpg.txt, as the nodes read them. It becomes a .txt there.
 * `files` are { file, path }, the path as it was in the dropped folder.
 */
export function plan(files) {
  const wanted = files.filter(({ file }) => !isClutter(file.name));
  const isText = ({ file }) => /\.(txt|caption)$/i.test(file.name);
  const texts = new Map(wanted.filter(isText).map(({ file, path }) => [path.toLowerCase(), file]));
  const captionOf = (path) => {
    const stem = splitName(path)[0];
    return [`${stem}.txt`, `${stem}.caption`, `${path}.txt`].map((each) => texts.get(each.toLowerCase())).find(Boolean) ?? null;
  };
  const [jobs, taken, used] = [[], new Set(), new Set()];
  for (const { file, path } of wanted.filter((each) => isPicture(each.file.name))) {
    const [stem, suffix] = splitName(safeName(file.name));
    let [name, number] = [stem + suffix, 1];
    while (taken.has(splitName(name)[0].toLowerCase())) name = `${stem} (${number++})${suffix}`; // 1.jpg and 1.png share 1.txt
    taken.add(splitName(name)[0].toLowerCase());
    const caption = captionOf(path);
    if (caption) used.add(caption);
    jobs.push({ file, name, caption });
  }
  const leftOut = wanted.filter(({ file }) => !isPicture(file.name) && !used.has(file)).map(({ path }) => path);
  return { jobs, leftOut };
}

/** Send all jobs, a few at a time. `post` is (job, signal) -> Promise of null or { why, values }; never throws. */
export async function send(jobs, post, dispatch, signal) {
  const waiting = [...jobs];
  const work = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) {
      const failed = signal.aborted ? { why: "why_stopped" } : await post(job, signal);
      dispatch(failed ? { type: "failed", job, ...failed } : { type: "sent", job });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  dispatch({ type: "end" });
}

/** All files in what was dropped, those in folders too: [{ file, path }], and the name of the folder if it was just one. */
export async function droppedFiles(dataTransfer) {
  // Entries have to be asked for before the first await: the list is emptied after the event.
  const items = [...dataTransfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => [item.webkitGetAsEntry(), item.getAsFile()]);
  const read = ([entry, file]) => (entry ? readEntry(entry) : file ? [{ file, path: file.name }] : []);
  const files = (await Promise.all(entries.map(read))).flat();
  return { files, folder: entries.length === 1 && entries[0][0]?.isDirectory ? entries[0][0].name : null };
}

/** The same for what a file dialog gave. */
export function chosenFiles(list) {
  const files = [...list].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
  return { files, folder: files[0]?.file.webkitRelativePath.split("/")[0] || null };
}

async function readEntry(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    return file ? [{ file, path: entry.fullPath.replace(/^\//, "") }] : [];
  }
  const [reader, found] = [entry.createReader(), []];
  for (;;) {
    const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([]))); // a hundred at most
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(readEntry))).flat();
}
