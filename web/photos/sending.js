// Sending: one photo, and the caption beside it, through ComfyUI's own upload route. Knows no node.

/** A function that sends a job into a subfolder of input: (job, signal) -> null, or { why, values } of what went wrong. */
export function poster(fetchApi, folder) {
  return async (job, signal) => {
    try {
      const answer = await upload(fetchApi, job.file, job.name, folder, signal);
      if (!answer.ok) return refusal(answer);
      return job.caption ? await sendCaption(fetchApi, job.caption, (await answer.json()).name, folder, signal) : null;
    } catch {
      return { why: signal.aborted ? "why_stopped" : "why_network" };
    }
  };
}

function upload(fetchApi, file, name, folder, signal) {
  const body = new FormData();
  body.append("image", file, name); // the bytes go as they are, whatever their format; no file there is overwritten
  body.append("type", "input");
  body.append("subfolder", folder);
  return fetchApi("/upload/image", { method: "POST", body, signal });
}

/** The server may have given the photo another name; the caption has to follow, and must not get a number of its own. */
async function sendCaption(fetchApi, caption, photoName, folder, signal) {
  const name = photoName.replace(/\.[^.]*$/, ".txt");
  const query = new URLSearchParams({ filename: name, subfolder: folder, type: "input" });
  const there = await fetchApi(`/view?${query}`, { signal, cache: "no-store" });
  if (there.ok) return (await there.text()) === (await caption.text()) ? null : { why: "why_caption" };
  const answer = await upload(fetchApi, caption, name, folder, signal);
  return answer.ok ? null : refusal(answer);
}

function refusal({ status }) {
  return status === 413 ? { why: "why_large" } : { why: "why_refused", values: { status } };
}

/** The subfolders that input has, as core's own loader of data sets lists them; none where it cannot be asked. */
export async function inputFolders(fetchApi) {
  try {
    const info = await (await fetchApi("/object_info/LoadImageDataSetFromFolder")).json();
    const [type, options] = info.LoadImageDataSetFromFolder.input.required.folder;
    return Array.isArray(type) ? type : (options.options ?? []);
  } catch {
    return [];
  }
}
