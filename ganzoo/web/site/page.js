/** The page: fields and keys change the settings, and the newest settings become an image. */

import { anySeed, build, disable, enable, read, write } from "./controls.js";
import { checkBrowser, fail, loaded, loading, showProgress, tryAgain, underServiceWorker } from "./loading.js";
import { newest, Painter, walk } from "./pictures.js";
import { described, engineOf, fileName, fromHash, initial, next, previous, toHash } from "./state.js";

const QUIET = 700; // ms without a new image before its description is spoken
const SMALL = 128; // pixels; smaller images are shown as squares
const element = (id) => document.getElementById(id);
const canvas = element("image");

let info = null; // facts of the model
let model = null; // what `load` of ganzoo.js gave
let painter = null;
/** @type {import("./state.js").Settings} */
let settings = null;
let shown = null; // the settings of the image that is seen
let walking = null; // what stops the walk
let speaking = 0;

/** Loads the model on the engine that is asked for, instead of one that runs. */
async function open({ provider, threads }) {
  const { load } = await import("./ganzoo.js").catch(() => {
    throw new Error("ganzoo.js or a file that it needs is missing on the server: put the whole folder there.");
  });
  painter = null;
  await model?.close();
  model = await load("model/", { provider, threads, worker: true, onProgress: showProgress });
  info = model.info;
  painter = new Painter(model);
  element("running").textContent = `${model.engine.name} on ${engineName()}.`;
  element("why").textContent = model.engine.why;
  element("why").hidden = !model.engine.why;
}

/** Where images are computed, in a few words. */
function engineName() {
  const { provider, threads } = model.engine;
  return provider === "webgpu" ? "WebGPU" : `WASM, ${threads} ${threads === 1 ? "thread" : "threads"}`;
}

/** Draws the image of some settings; false if it could not be made. */
async function show(wish) {
  const mine = painter;
  try {
    const image = await mine.paint(wish);
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").putImageData(image, 0, 0);
  } catch (error) {
    if (mine === painter) fail(error); // else its engine was closed for another one
    return false;
  }
  shown = wish;
  const text = described(wish, info);
  canvas.setAttribute("aria-label", `Image of ${info.name}: ${text}`);
  element("shown").textContent = text;
  element("time").textContent = `${Math.round(model.milliseconds)} ms, ${engineName()}`;
  clearTimeout(speaking);
  if (!walking) speaking = setTimeout(() => say(`Image of ${text}`), QUIET);
  return true;
}

const draw = newest(show);

/** Takes new settings: fields, address and image follow. */
function change(to) {
  settings = to;
  write(settings);
  remember();
  if (!walking) draw(settings); // a walk's next image has them
}

/** Puts the settings into the address, so that it leads to this image. */
function remember() {
  history.replaceState(null, "", toHash(settings, info));
}

function say(text) {
  element("status").textContent = text;
}

/** Starts the walk, or stops it. */
function walkOrPause() {
  if (walking) return pause();
  walking = new AbortController();
  showWalking();
  say("Walking from seed to seed");
  walk(() => settings, step, walking.signal).then(() => {
    pause();
    remember();
    say(`Paused at ${described(shown, info)}`);
  });
}

/** Draws the next image of a walk. */
async function step(wish) {
  const before = settings;
  const done = await show(wish);
  // What was changed while the image was made goes before where the walk has got to.
  if (done && settings.seed === before.seed && settings.at === before.at) {
    settings = { ...settings, seed: wish.seed, at: wish.at };
    write(settings);
  }
  return done;
}

function pause() {
  walking?.abort();
  walking = null;
  showWalking();
}

function showWalking() {
  element("walk").textContent = walking ? "Pause" : "Walk";
}

/** Stores the image that is seen as a file. */
function save() {
  const name = fileName(shown, info);
  canvas.toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { download: name, href: URL.createObjectURL(blob) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    say(`Saved as ${name}`);
  });
}

/** Puts a link to the image into the clipboard. */
async function copyLink() {
  const link = new URL(toHash(settings, info, false), location.href).href;
  let done = "Copied";
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    done = "It is in the address bar";
  }
  say(done);
  element("link").textContent = done;
  setTimeout(() => (element("link").textContent = "Copy link"), 2000);
}

/** Loads the model again on another engine. */
async function changeEngine(to) {
  pause();
  settings = to;
  disable();
  loading();
  try {
    await open(settings);
    await show(settings);
  } catch (error) {
    settings = { ...settings, ...engineOf("") }; // with which "Try again" begins
    fail(error);
    return remember();
  }
  loaded();
  enable();
  write(settings);
  remember();
}

/** Takes the settings of a link that was put into the address bar. */
function follow() {
  const to = fromHash(location.hash, info);
  pause();
  if (to.provider === settings.provider && to.threads === settings.threads) change(to);
  else changeEngine(to);
}

/** Another image: the walk, if there is one, goes on from there. */
const goTo = (seed) => change({ ...settings, seed, at: 0 });

const press = {
  previous: () => goTo(previous(settings.seed)),
  next: () => goTo(next(settings.seed)),
  random: () => goTo(anySeed()),
  walk: walkOrPause,
  save,
  "random-other": () => change({ ...settings, other: anySeed(), rows: settings.rows || "coarse" }),
  unedit: () => change({ ...settings, edit: {} }),
  link: copyLink,
  anew: () => {
    pause();
    change({ ...initial(info), provider: settings.provider, threads: settings.threads });
  },
};

/** Listens to fields, buttons, keys and the address. */
function listen() {
  for (const [id, action] of Object.entries(press)) element(id).addEventListener("click", action);
  const controls = document.querySelector(".controls");
  controls.addEventListener("input", ({ target }) => {
    const to = target.id === "shortcuts" ? null : read(target, settings);
    if (to) (["provider", "threads"].includes(target.id) ? changeEngine : change)(to);
  });
  controls.addEventListener("focusout", () => write(settings)); // what was typed and cannot be goes
  addEventListener("keydown", shortcut);
  addEventListener("hashchange", follow);
}

/** Does what a key stands for, unless what has the focus uses it itself. */
function shortcut(event) {
  const name = { ArrowLeft: "previous", ArrowRight: "next", " ": "walk", s: "save", S: "save" }[event.key];
  const modified = event.ctrlKey || event.metaKey || event.altKey;
  if (!name || modified || !element("shortcuts").checked || element(name).disabled) return;
  const users = { walk: "input, select, button, summary", save: "input[type=number], select" };
  if (event.target.closest(users[name] ?? "input:not([type=checkbox]), select")) return;
  event.preventDefault();
  if (!(event.repeat && name !== "previous" && name !== "next")) press[name]();
}

async function main() {
  document.documentElement.dataset.started = ""; // the script in index.html asks for it
  element("again").addEventListener("click", tryAgain);
  try {
    checkBrowser();
    await underServiceWorker();
    await open(engineOf(location.hash));
    build(info);
    canvas.classList.toggle("small", info.resolution < SMALL);
    settings = fromHash(location.hash, info);
    write(settings);
    if (!(await show(settings))) return;
    loaded();
    enable();
    listen();
  } catch (error) {
    fail(error);
  }
}

main();
