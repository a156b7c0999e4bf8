// Comfy: what the training panel needs of ComfyUI's canvas: the nodes that train, their ids, their settings.

const TRAINER = "TrainZImageLoRA";
const SMOOTHING = "zimage_lora.Training.Smoothing";

/** How strongly the loss curve is smoothed: a matter of the user, not of the workflow. Not among the settings' pages. */
export const SETTINGS = [{ id: SMOOTHING, name: "Smoothing of the loss curve", type: "hidden", defaultValue: "usual" }];

/** `app` and `api` are ComfyUI's, `everyNode(graph, visit)` walks the canvas, `host` is what every view gets. */
export function trainingHost({ app, api, everyNode, language, host }) {
  let labels = {};

  const trainers = () => {
    const found = [];
    everyNode(app.rootGraph, (node, id) => node.comfyClass === TRAINER && found.push({ node, id }));
    return found;
  };

  const target = (node) => ({
    label: `${node.title} #${idOf(node)}`,
    isSelected: Boolean(app.canvas.selected_nodes?.[node.id] ?? node.selected),
    widgets: () => (node.widgets ?? []).map((widget) => ({
      name: widget.name, value: widget.value, options: choicesOf(widget),
      isWired: (node.inputs?.find((input) => input.widget?.name === widget.name)?.link ?? null) !== null,
    })),
    set(pairs) {
      for (const [name, value] of pairs) {
        const widget = node.widgets.find((other) => other.name === name);
        widget.value = value;
        widget.callback?.(value);
      }
      if (pairs.length) host.changed(node);
    },
  });

  function idOf(node) {
    return trainers().find((other) => other.node === node)?.id ?? String(node.id);
  }

  return {
    ...host,
    language,
    idOf,
    target,
    targets: () => trainers().map(({ node }) => target(node)),
    workflowId: () => app.rootGraph?.id ?? null,
    confirm: (title, message) => app.extensionManager.dialog.confirm({ title, message }),
    copy: copied,
    smoothing: () => app.extensionManager.setting.get(SMOOTHING),
    keepSmoothing: (smoothing) => app.extensionManager.setting.set(SMOOTHING, smoothing),
    /** How a setting is called on the node, with the name that the guide and the file call it by. */
    label: (name) => (labels[name]?.name ? `${labels[name].name}（${name}）` : name),
    async readLabels() {
      const answer = await api.fetchApi("/i18n").catch(() => null);
      const all = answer?.ok ? await answer.json().catch(() => ({})) : {};
      labels = all[language()]?.nodeDefs?.[TRAINER]?.inputs ?? {};
    },
  };
}

function choicesOf({ type, options }) {
  if (type !== "combo") return null;
  const values = typeof options?.values === "function" ? options.values() : options?.values;
  return Array.isArray(values) ? values : null;
}

/** Whether a text came to the clipboard; a page that was not loaded safely has only the old way. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    const before = document.activeElement;
    document.body.append(area);
    area.select();
    const isDone = document.execCommand("copy");
    area.remove();
    before?.focus?.();
    return isDone;
  }
}
