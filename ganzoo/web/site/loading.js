/** From an opened page to a model that runs: the service worker, the bytes on their way, and what can go wrong. */

const WAIT = 3000; // ms; a page without its service worker works too, but keeps nothing
const RELOADED = `reloaded ${location.pathname}`;
const element = (id) => document.getElementById(id);

/**
 * Waits until the service worker is in charge, so that what is loaded next is kept, and loads the page again
 * where that brings threads.
 */
export async function underServiceWorker() {
  if (!("serviceWorker" in navigator)) return;
  const { serviceWorker } = navigator;
  try {
    const registration = await serviceWorker.register("service-worker.js", { updateViaCache: "none" });
    tellOfNewer(registration);
    // One that was there before does not take charge of a page that was loaded past it (Shift and reload).
    if (!serviceWorker.controller && !registration.active) await inCharge(serviceWorker);
    if (crossOriginIsolated) sessionStorage.removeItem(RELOADED);
    else if ((serviceWorker.controller || registration.active) && !sessionStorage.getItem(RELOADED)) {
      sessionStorage.setItem(RELOADED, "once"); // where it does not help, never again
      location.reload();
      await new Promise(() => {});
    }
  } catch {
    // Private windows may forbid it.
  }
}

/** Resolves when a service worker takes charge, or when it takes too long. */
function inCharge(serviceWorker) {
  return new Promise((done) => {
    serviceWorker.addEventListener("controllerchange", done, { once: true });
    setTimeout(done, WAIT);
  });
}

/** Offers a newer version of the page, which the server has and this page does not show yet. */
function tellOfNewer(registration) {
  const offer = (worker) => {
    if (!worker || !navigator.serviceWorker.controller) return;
    element("newer").hidden = false;
    element("update").onclick = () => {
      navigator.serviceWorker.addEventListener("controllerchange", () => location.reload());
      worker.postMessage("take over");
    };
  };
  offer(registration.waiting);
  registration.addEventListener("updatefound", () => {
    const worker = registration.installing;
    worker.addEventListener("statechange", () => worker.state === "installed" && offer(registration.waiting));
  });
}

/** Throws an Error if this browser runs no WebAssembly at all; of its parts the engine says more. */
export function checkBrowser() {
  if (typeof WebAssembly !== "object") {
    throw new Error("This browser runs no WebAssembly, which the network needs: it is too old or forbids it.");
  }
}

/** Shows how far the loading is; `load` of ganzoo.js calls it. */
export function showProgress({ stage, loaded, total }) {
  const known = stage === "download" && total > 0;
  element("stage").textContent = stage === "download" ? "Loading the network" : "Preparing the network";
  element("bytes").textContent = known ? `${megabytes(loaded)} of ${megabytes(total)} MB` : "";
  if (known) element("progress").max = total;
  if (known) element("progress").value = loaded;
  else element("progress").removeAttribute("value");
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

/** Shows that loading has begun. */
export function loading() {
  element("failure").hidden = true;
  element("loading").hidden = false;
}

/** Takes the progress away, once there is an image. */
export function loaded() {
  element("loading").hidden = true;
}

/** Says why there is no image, and what to do. */
export function fail(error) {
  element("reason").textContent = error instanceof Error ? error.message : String(error);
  element("failure").hidden = false;
  element("loading").hidden = true;
}

/** Forgets every file that was kept, which may be damaged or old, and loads the page again. */
export async function tryAgain() {
  const registration = await navigator.serviceWorker?.getRegistration();
  const scope = registration?.scope;
  for (const name of scope ? await caches.keys() : []) {
    if (name.startsWith(`ganzoo ${scope} `)) await caches.delete(name);
  }
  sessionStorage.removeItem(RELOADED);
  location.reload();
}
