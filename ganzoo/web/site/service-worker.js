/**
 * Keeps the files of the page for a visit without network, and lets a plain server's page use threads.
 *
 * Browsers give threads to a page only if it and its workers come with two headers, which many static hosts
 * cannot be told to send. What passes through here has them.
 */

const CACHE = `ganzoo ${registration.scope} {{VERSION}}`; // one server may hold several such pages
const SMALL = ["controls.js", "download.js", "engine.js", "ganzoo.js", "icon.svg", "litert.js", "loading.js",
  "manifest.webmanifest", "numpy.js", "onnxruntime.js", "page.js", "pictures.js", "remote.js", "state.js", "style.css",
  "weights.js", "worker.js"];
const HEADERS = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

addEventListener("install", (event) => {
  event.waitUntil(Promise.allSettled(["./", ...SMALL].map((file) => fetched(new Request(file)))));
});

addEventListener("activate", (event) => event.waitUntil(takeOver()));

// The page asks for it when its reader has agreed to load the newer version.
addEventListener("message", (event) => {
  if (event.data === "take over") skipWaiting();
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const own = request.url.startsWith(registration.scope);
  if (request.method !== "GET" || !own || request.headers.has("range")) return;
  event.respondWith(answer(request, event));
});

/** Deletes the older versions of this page and takes charge of it at its first visit. */
async function takeOver() {
  const older = (name) => name.startsWith(`ganzoo ${registration.scope} `) && name !== CACHE;
  await Promise.all((await caches.keys()).filter(older).map((name) => caches.delete(name)));
  await clients.claim();
}

/** The kept file, or else the server's. */
async function answer(request, event) {
  const kept = await (await caches.open(CACHE)).match(key(request));
  return kept ?? fetched(request, event);
}

/** The server's answer with the two headers, and kept if it is a whole file. */
async function fetched(request, event) {
  // What the browser's own cache holds may be of an older version, so the server is asked.
  const response = await fetch(request, { cache: "no-cache" });
  if (response.status === 0) return response; // a redirect, which the browser follows
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const empty = [204, 205, 304].includes(response.status);
  const answered = new Response(empty ? null : response.body, { status: response.status, headers });
  if (response.status === 200) {
    const copy = answered.clone();
    const keeping = caches.open(CACHE).then((cache) => cache.put(key(request), copy));
    const quiet = keeping.catch(() => {}); // the disk is full, or the answer broke off: the page goes on
    if (event) event.waitUntil(quiet);
    else await quiet;
  }
  return answered;
}

/** What a request's file is kept under: all addresses of the page itself are one. */
function key(request) {
  const url = new URL(request.url);
  url.search = url.hash = "";
  if (url.href === `${registration.scope}index.html`) url.href = registration.scope;
  return url.href;
}
