// Settings: those of runs side by side, and what loading them into a node would change. Pure.

/** The lines of a comparison: { name, values, isSame }, in the order of the first run that has each setting. */
export function sideBySide(runs) {
  const all = runs.map(({ model, settings }) => ({ model, ...settings }));
  const names = [...new Set(all.flatMap(Object.keys))];
  return names.map((name) => {
    const values = all.map((settings) => settings[name]);
    return { name, values, isSame: values.every((value) => sameValue(value, values[0])) };
  });
}

/** Whether two values of a setting mean the same: 1 and 1.0 do, and so do nothing and an empty text. */
export const sameValue = (one, other) => one === other || ((one ?? "") === "" && (other ?? "") === "");

/** What a run was set to before it went on otherwise: [{ step: the last with it, pairs: [[name, value]] }]. */
export const earlierSettings = ({ earlier }) => (earlier ?? [])
  .map(({ until_step: step, settings }) => ({ step, pairs: Object.entries(settings) }))
  .filter(({ pairs }) => pairs.length > 0);

/**
 * What to do to load a run's settings: { set: [[name, value]], gone: [names], refused: [names], wired: [names] }.
 * `widgets` are the node's: { name, value, options: the values it can take or null, isWired }. The run's name is loaded
 * only where the run is to be gone on with: a finished one of that name would be handed back, not trained.
 */
export function loading(run, widgets) {
  const wanted = { model: run.model, ...run.settings, ...(run.summary.state === "finished" ? {} : { run_name: run.runName }) };
  const byName = new Map(widgets.map((widget) => [widget.name, widget]));
  const done = { set: [], gone: [], refused: [], wired: [] };
  for (const [name, value] of Object.entries(wanted)) {
    const widget = byName.get(name);
    if (value === null || value === undefined) continue;
    if (!widget) done.gone.push(name);
    else if (widget.isWired) done.wired.push(name);
    else if (widget.options && !widget.options.includes(value)) done.refused.push(name);
    else if (!sameValue(widget.value, value)) done.set.push([name, value]);
  }
  return done;
}
