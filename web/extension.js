// The views on our nodes, in the sidebar and below: what ComfyUI knows is handed to photos/, captions/, training/ and
// sweep/, which know nothing of ComfyUI.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addCaptions } from "./captions/editor.js";
import { CAPTION_STYLE } from "./captions/style.js";
import { addStyle } from "./shared/dom.js";
import { addEditor } from "./photos/editor.js";
import { addReport } from "./photos/report.js";
import { STYLE } from "./shared/style.js";
import { addUploader } from "./photos/uploader.js";
import { languageOf, speaker } from "./speaker.js";
import { SWEEP_STYLE } from "./sweep/style.js";
import { addSweep } from "./sweep/viewer.js";
import { SETTINGS, trainingHost } from "./training/comfy.js";
import { makeFeed } from "./training/feed.js";
import { addTraining } from "./training/node.js";
import { trainingTab } from "./training/places.js";
import { TRAINING_STYLE } from "./training/style.js";

const manager = () => app.extensionManager;
const locale = () => manager().setting.get("Comfy.Locale");
const say = (key, values) => speaker(locale())(key, values);

const host = {
  say,
  /** A text that came in every language. */
  told: (text) => text[languageOf(locale())],
  fetchApi: (route, options) => api.fetchApi(route, options),
  workflowId: () => app.rootGraph?.id ?? null,
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

/** Every node, those in subgraphs too, with the id that the server knows it by. */
function everyNode(graph, visit, before = "") {
  for (const node of graph?.nodes ?? []) {
    visit(node, `${before}${node.id}`);
    everyNode(node.subgraph, visit, `${before}${node.id}:`);
  }
}

const VIEWS = {
  LoadPhotoFolder: addUploader, CleanAndResize: addEditor, AutoCaption: addCaptions, DatasetReport: addReport,
  CheckpointSweep: addSweep, TrainZImageLoRA: (node) => addTraining(node, training),
};
const views = new WeakMap(); // node -> what its view can do

const feed = makeFeed(host);
const training = trainingHost({ app, api, everyNode, language: () => languageOf(locale()), host: { ...host, feed } });

async function clearEdits(view) {
  const message = say("clear_confirm", { count: view.numEdited() });
  if (await manager().dialog.confirm({ title: say("clear_edits"), message })) view.clear();
}

app.registerExtension({
  name: "zimage_lora.photos",
  /** Before a page that comes back in mid-run hears the first event of it. */
  init() {
    addStyle("zimage-lora", STYLE + CAPTION_STYLE + SWEEP_STYLE + TRAINING_STYLE);
    api.addEventListener("zimage_lora.event", ({ detail }) => {
      feed.hear(detail);
      if (detail.event === "StepsDone") return; // the feed has told whoever shows steps
      everyNode(app.rootGraph, (node, id) => String(detail.node) === id && views.get(node)?.hear?.(detail));
    });
    api.addEventListener("reconnected", () => feed.dispatch({ type: "returned" }));
  },
  setup() {
    manager().registerSidebarTab(trainingTab(training));
    training.readLabels();
  },
  settings: SETTINGS,
  bottomPanelTabs: [trainingTab(training, "-below")],
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
