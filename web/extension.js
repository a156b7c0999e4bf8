// The views on our nodes: what ComfyUI knows is handed to photos/ and captions/, which know nothing of ComfyUI.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addCaptions } from "./captions/editor.js";
import { CAPTION_STYLE } from "./captions/style.js";
import { addStyle } from "./shared/dom.js";
import { addEditor } from "./photos/editor.js";
import { addReport } from "./photos/report.js";
import { STYLE } from "./shared/style.js";
import { addUploader } from "./photos/uploader.js";
import { speaker } from "./speaker.js";

const manager = () => app.extensionManager;
const say = (key, values) => speaker(manager().setting.get("Comfy.Locale"))(key, values);

const host = {
  say,
  fetchApi: (route, options) => api.fetchApi(route, options),
  urlOf: ({ filename, subfolder, type }) => api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`),
  ask: (title, message, defaultValue) => manager().dialog.prompt({ title, message, defaultValue }),
  warn: (summary) => manager().toast.add({ severity: "warn", summary, life: 8000 }),
  /** A widget of ours was changed by hand: it can be undone on the canvas, and the workflow is no longer saved. */
  changed(node) {
    node.graph?.setDirtyCanvas(true, true);
    manager().workflow.activeWorkflow?.changeTracker?.captureCanvasState?.();
  },
  /** What the node's last run showed; inside subgraphs ComfyUI keeps it under the subgraph's id too. */
  outputOf({ id, graph }) {
    const locator = graph && !graph.isRootGraph ? `${graph.id}:${id}` : String(id);
    return app.nodeOutputs?.[locator];
  },
  wheelToCanvas(event) {
    if (window.LiteGraph.vueNodesMode) return; // there the node hands it on by itself
    event.preventDefault();
    app.canvas.processMouseWheel(event);
  },
};

function everyNode(graph, visit) {
  for (const node of graph?.nodes ?? []) {
    visit(node);
    everyNode(node.subgraph, visit);
  }
}

const VIEWS = { LoadPhotoFolder: addUploader, CleanAndResize: addEditor, AutoCaption: addCaptions, DatasetReport: addReport };
const views = new WeakMap(); // node -> what its view can do

async function clearEdits(view) {
  const message = say("clear_confirm", { count: view.numEdited() });
  if (await manager().dialog.confirm({ title: say("clear_edits"), message })) view.clear();
}

app.registerExtension({
  name: "zimage_lora.photos",
  init: () => addStyle("zimage-lora", STYLE + CAPTION_STYLE),
  nodeCreated(node) {
    const view = VIEWS[node.comfyClass]?.(node, host);
    if (view) views.set(node, view);
  },
  /** Outputs also come with a job from the queue's list, without an event for the node. */
  onNodeOutputsUpdated: () => everyNode(app.rootGraph, (node) => views.get(node)?.sync()),
  getNodeMenuItems(node) {
    const view = views.get(node);
    const isEdited = view?.isEmpty && !view.isEmpty();
    return isEdited ? [{ content: say("clear_edits"), callback: () => clearEdits(view) }] : [];
  },
});
