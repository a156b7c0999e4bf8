// Uploader: photos dropped on LoadPhotoFolder, or chosen in a dialog, go into a subfolder of input that it then reads.

import { h, refill } from "../shared/dom.js";
import { addView, growTo } from "../shared/on_node.js";
import { inputFolders, poster } from "./sending.js";
import { nameSome } from "../shared/texts.js";
import * as upload from "./upload.js";

const HEIGHT_PX = 132; // the element and its margins
const MIN_WIDTH_PX = 400;
const ACCEPTED = [...upload.SUFFIXES, "txt"].map((suffix) => `.${suffix}`).join(",");

/** Give a node its drop zone and buttons. `host` is what extension.js knows of ComfyUI. */
export function addUploader(node, host) {
  const { say } = host;
  const folderWidget = node.widgets?.find((widget) => widget.name === "folder");
  if (!folderWidget) return;
  const element = h("div", { className: "zl-box zl-upload" });
  let state = upload.IDLE;
  let stopper = null;

  const dispatch = (event) => {
    state = upload.next(state, event);
    draw();
  };

  async function accept({ files, folder }) {
    if (state.tag === "sending" || !files.length) return;
    const { jobs, leftOut } = upload.plan(files);
    if (!jobs.length) return host.warn(say("no_pictures", { suffixes: upload.SUFFIXES.join(", ") }));
    const target = upload.ownSubfolder(folderWidget.value) ?? (await newFolder(folder));
    if (target) await run(target, jobs, leftOut);
  }

  async function newFolder(dropped) {
    const free = upload.newFolder(dropped, await inputFolders(host.fetchApi));
    if (dropped) return free;
    return upload.ownSubfolder((await host.ask(say("ask_folder_title"), say("ask_folder"), free)) ?? "");
  }

  async function run(folder, jobs, leftOut) {
    stopper = new AbortController();
    window.addEventListener("beforeunload", holdBack);
    dispatch({ type: "start", folder, jobs, leftOut });
    await upload.send(jobs, poster(host.fetchApi, folder), dispatch, stopper.signal);
    window.removeEventListener("beforeunload", holdBack);
    if (state.sent > 0) {
      folderWidget.value = folder;
      folderWidget.callback?.(folder);
      host.changed(node);
    }
  }

  const retry = () => run(state.folder, state.missing.map(({ job }) => job), state.leftOut);

  function choose(isFolder) {
    const input = h("input", { type: "file", multiple: true, accept: ACCEPTED, webkitdirectory: isFolder });
    input.addEventListener("change", () => accept(upload.chosenFiles(input.files)));
    input.click();
  }

  function draw() {
    refill(element, ...drawn(say, state, { choose, retry, stop: () => stopper.abort() }));
  }

  takeDrops(node, element, async (dataTransfer) => accept(await upload.droppedFiles(dataTransfer)));
  draw();
  addView(node, "photo_upload", element, { minHeightPx: HEIGHT_PX, maxHeightPx: HEIGHT_PX });
  growTo(node, MIN_WIDTH_PX);
}

function holdBack(event) {
  event.preventDefault(); // the browser asks whether to leave while photos are on their way
}

const holdsFiles = (event) => [...(event.dataTransfer?.items ?? [])].some((item) => item.kind === "file");

/** The whole node takes files; its element lies over the canvas and needs listeners of its own. */
function takeDrops(node, element, take) {
  node.onDragOver = holdsFiles;
  node.onDragDrop = async (event) => {
    if (!holdsFiles(event)) return false;
    await take(event.dataTransfer);
    return true;
  };
  const mark = (over) => element.classList.toggle("zl-over", over);
  const welcome = (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    mark(true);
  };
  element.addEventListener("dragenter", welcome);
  element.addEventListener("dragover", welcome);
  element.addEventListener("dragleave", (event) => element.contains(event.relatedTarget) || mark(false));
  element.addEventListener("drop", (event) => {
    mark(false);
    if (!holdsFiles(event)) return;
    event.preventDefault();
    take(event.dataTransfer);
  });
}

function drawn(say, state, { choose, retry, stop }) {
  const button = (key, onclick) => h("button", { textContent: say(key), dataset: { key }, onclick });
  if (state.tag === "sending") {
    const [done, total] = [state.jobs.length - state.left, state.jobs.length];
    return [
      h("div", { className: "zl-row" }, say("sending", { done, total, folder: state.folder }), button("stop", stop)),
      h("progress", { value: done, max: total }),
    ];
  }
  const add = h(
    "div", { className: "zl-row" }, button("add_photos", () => choose(false)), button("add_folder", () => choose(true)),
    h("span", { className: "zl-hint", textContent: say("drop_here") }),
  );
  return state.tag === "ended" ? [...outcome(say, state, button, retry), add] : [add];
}

function outcome(say, { folder, sent, missing, jobs, leftOut }, button, retry) {
  const lines = [];
  if (sent) lines.push(h("div", { textContent: say("sent", { count: sent, folder }) }));
  if (missing.length) {
    const named = missing.map(({ job, why, values }) => `${job.name} (${say(why, values)})`);
    const values = { count: missing.length, total: jobs.length, names: nameSome(say, named) };
    const text = say("sent_missing", values);
    lines.push(h("div", { className: "zl-reason", title: named.join("\n"), textContent: text }), button("retry", retry));
  }
  if (leftOut.length) {
    const text = say("sent_left_out", { names: nameSome(say, leftOut) });
    lines.push(h("div", { className: "zl-hint", title: leftOut.join("\n"), textContent: text }));
  }
  return lines;
}
