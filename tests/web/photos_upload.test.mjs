// Uploading: names that every system takes, nothing lost or mixed up, and what is said when a part does not arrive.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import test from "node:test";

import { inputFolders, poster } from "../../web/photos/sending.js";
import * as upload from "../../web/photos/upload.js";

const dropped = (...paths) => paths.map((path) => ({ path, file: new File([`bytes of ${path}`], path.split("/").at(-1)) }));

test("names are safe on Windows, and Chinese and emoji stay", () => {
  const names = {
    "米拉 2024.jpg": "米拉 2024.jpg", "🙂.png": "🙂.png", 'a<b>:"c|?*.jpg': "a_b___c___.jpg", "con.jpg": "_con.jpg", "LPT1": "_LPT1",
    "trailing. ": "trailing", "..": "photos", "a\nb.jpg": "a_b.jpg", "dir\\a/b.jpg": "dir_a_b.jpg", "e\u0301.jpg": "é.jpg", ".hidden": "hidden",
    "com1.tar.gz": "_com1.tar.gz",
  };
  for (const [name, safe] of Object.entries(names)) assert.equal(upload.safeName(name), safe);
  const long = upload.safeName(`${"长".repeat(500)}.heic`);
  assert.ok(long.length <= 120 && long.endsWith(".heic"));
  for (const safe of Object.values(names)) assert.equal(upload.safeName(safe), safe, "safe names stay as they are");
});

test("the widget's subfolder is used only where it is one", () => {
  const folders = {
    mila: "mila", " people/米拉 ": "people/米拉", '"mila"': "mila", "people\\mila": "people/mila", "": null, "  ": null,
    "/home/me/photos": null, "C:\\photos": null, "c:photos": null, "~/photos": null, "..": null, "a/../../b": null, "\\\\server\\x": null,
  };
  for (const [text, folder] of Object.entries(folders)) assert.equal(upload.ownSubfolder(text), folder, text);
});

test("every drop gets a folder of its own", () => {
  assert.equal(upload.newFolder("Mila", ["other"]), "Mila");
  assert.equal(upload.newFolder("Mila", ["mila", "Mila 2"]), "Mila 3");
  assert.equal(upload.newFolder(null, []), "photos");
});

test("photos of one name get names of their own, and each keeps its caption", () => {
  const files = dropped("x/1.jpg", "x/1.txt", "y/1.JPG", "y/1.txt", "y/1.png", "z/note.txt", "z/film.mp4", ".DS_Store", "x/Thumbs.db");
  const { jobs, leftOut } = upload.plan(files);
  assert.deepEqual(jobs.map(({ name }) => name), ["1.jpg", "1 (1).JPG", "1 (2).png"]);
  assert.deepEqual(jobs.map(({ caption }) => caption), [files[1].file, files[3].file, files[3].file]);
  assert.deepEqual(leftOut, ["z/note.txt", "z/film.mp4"]);
  const many = upload.plan(dropped(...Array.from({ length: 700 }, (_, index) => `${index % 7}/${index % 100}.heic`)));
  assert.equal(new Set(many.jobs.map(({ name }) => name.toLowerCase())).size, 700);
});

test("a caption goes along under every name that the nodes read, the usual one first", () => {
  const names = ["a.jpg", "A.TXT", "a.caption", "b.png", "b.caption", "c.jpg", "c.jpg.txt", "sub/a.jpg", "d.jpg", "e.txt"];
  const { jobs, leftOut } = upload.plan(dropped(...names));
  assert.deepEqual(jobs.map(({ caption }) => caption?.name ?? null), ["A.TXT", "b.caption", "c.jpg.txt", null, null]);
  assert.deepEqual(leftOut, ["a.caption", "e.txt"]);
});

/** A server on this machine that keeps what it is sent as ComfyUI does; `answer` may refuse a request by its number. */
async function withServer(answer, use) {
  const kept = new Map();
  let [busy, mostBusy, count] = [0, 0, 0];
  const server = createServer(async (request, response) => {
    mostBusy = Math.max(mostBusy, ++busy);
    const number = count++;
    const chunks = await collect(request);
    await new Promise((resolve) => setTimeout(resolve, 2));
    busy--;
    const status = answer(number);
    if (status === "cut") return request.socket.destroy();
    if (request.method === "GET") {
      const text = kept.get(new URL(request.url, "http://x").searchParams.get("filename"));
      return response.writeHead(text === undefined ? 404 : 200).end(text);
    }
    if (status !== 200) return response.writeHead(status).end();
    const body = await new Response(Buffer.concat(chunks), { headers: request.headers }).formData();
    const image = body.get("image");
    kept.set(image.name, await image.text());
    response.end(JSON.stringify({ name: image.name, subfolder: body.get("subfolder"), type: body.get("type") }));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const fetchApi = (route, options) => fetch(`http://127.0.0.1:${server.address().port}${route}`, options);
  try {
    return await use({ fetchApi, kept, mostBusy: () => mostBusy });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

/** Send and follow the state; every state on the way is looked at. */
async function sendAll(fetchApi, jobs, { onEvent = () => {} } = {}) {
  const stopper = new AbortController();
  let state = upload.next(upload.IDLE, { type: "start", folder: "米拉", jobs, leftOut: [] });
  await upload.send(jobs, poster(fetchApi, "米拉"), (event) => {
    state = upload.next(state, event);
    const left = state.left ?? 0;
    assert.equal(left + state.sent + state.missing.length, jobs.length, "every photo is sent, missing or still to come");
    onEvent(state, stopper);
  }, stopper.signal);
  assert.equal(state.tag, "ended");
  return state;
}

test("hundreds of photos arrive with their bytes and captions, a few at a time", async () => {
  const paths = Array.from({ length: 200 }, (_, index) => `照片 ${index}.jpg`);
  const { jobs } = upload.plan(dropped(...paths, "照片 7.txt"));
  await withServer(() => 200, async ({ fetchApi, kept, mostBusy }) => {
    const state = await sendAll(fetchApi, jobs);
    assert.deepEqual([state.sent, state.missing], [200, []]);
    assert.equal(kept.size, 201);
    for (const path of paths) assert.equal(kept.get(path), `bytes of ${path}`);
    assert.equal(kept.get("照片 7.txt"), "bytes of 照片 7.txt");
    assert.ok(mostBusy() <= 3, `${mostBusy()} at once`);
  });
});

test("what does not arrive is named with the reason, and sending it again completes the folder", async () => {
  const { jobs } = upload.plan(dropped(...Array.from({ length: 12 }, (_, index) => `${index}.png`)));
  const bad = { 3: 413, 5: 500, 8: "cut" };
  await withServer((number) => bad[number] ?? 200, async ({ fetchApi, kept }) => {
    const state = await sendAll(fetchApi, jobs);
    assert.equal(state.sent, 9);
    assert.deepEqual(state.missing.map(({ why }) => why).toSorted(), ["why_large", "why_network", "why_refused"]);
    const again = await sendAll(fetchApi, state.missing.map(({ job }) => job));
    assert.deepEqual([again.sent, again.missing, kept.size], [3, [], 12]);
  });
});

test("stopping keeps what has arrived and names the rest", async () => {
  const { jobs } = upload.plan(dropped(...Array.from({ length: 30 }, (_, index) => `${index}.png`)));
  await withServer(() => 200, async ({ fetchApi, kept }) => {
    const state = await sendAll(fetchApi, jobs, { onEvent: ({ sent }, stopper) => sent === 10 && stopper.abort() });
    assert.ok(state.sent >= 10 && state.missing.length >= 15 && state.missing.every(({ why }) => why === "why_stopped"));
    assert.ok(kept.size >= state.sent);
  });
});

test("a caption that is there already is never replaced", async () => {
  await withServer(() => 200, async ({ fetchApi, kept }) => {
    kept.set("1.txt", "the user's own words");
    const state = await sendAll(fetchApi, upload.plan(dropped("1.jpg", "1.txt")).jobs);
    assert.equal(state.missing[0].why, "why_caption");
    assert.equal(kept.get("1.txt"), "the user's own words");
  });
});

test("a server that cannot list its folders is taken to have none", async () => {
  assert.deepEqual(await inputFolders(async () => new Response("", { status: 500 })), []);
  const info = { LoadImageDataSetFromFolder: { input: { required: { folder: ["COMBO", { options: ["mila"] }] } } } };
  assert.deepEqual(await inputFolders(async () => Response.json(info)), ["mila"]);
});
