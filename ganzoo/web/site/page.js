/** The page: fields and keys change the settings, and the newest settings become an image. */

import { anySeed, build, enable, read, write } from "./controls.js";
import { checkBrowser, fail, loaded, showProgress, tryAgain, underServiceWorker } from "./loading.js";
import { newest, Painter, walk } from "./pictures.js";
import { described, engineOf, fileName, fromHash, initial, next, previous, toHash } from "./state.js";

const QUIET = 700; // ms without a new image before its description is spoken
const element = (id) => document.getElementById(id);
const canvas = element("image");

let model = null; // what `load` of ganzoo.js gave
let painter = null;
/** @type {import("./state.js").Settings} */
let settings = null;
let shown = null; // the settings of the image that is seen
let walking = null; // what stops the walk
let speaking = 0;

/** Loads the model on the engine that is asked for, in the place of one that runs. */
async function open(engine) {
  const { load } = await import("./ganzoo.js");
  model?.close();
  model = null;
  model = await load("model/", { ...engine, worker: true, onProgress: showProgress });
  painter = new Painter(model);
  const { name, provider, threads, why } = model.engine;
  const kind = provider === "webgpu" ? "WebGPU" : `WASM, ${threads === 1 ? "1 thread" : `${threads} threads`}`;
  element("running").textContent = `${name} on ${kind}.`;
  element("why").textContent = why;
  element("why").hidden = !why;
}

/** Draws the image of some settings; false if it could not be made. */
async function show(wish) {
  try {
    const image = await painter.paint(wish);
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").putImageData(image, 0, 0);
  } catch (error) {
    fail(error);
    return false;
  }
  element("failure").hidden = true;
  shown = wish;
  const text = described(wish, model.info);
  canvas.setAttribute("aria-label", `Image of ${model.info.name}: ${text}`);
  element("shown").textContent = text;
  element("time").textContent = `${Math.round(model.milliseconds)} ms`;
  clearTimeout(speaking);
  if (!walking) speaking = setTimeout(() => say(`Image of ${text}`), QUIET);
  return true;
}

const draw = newest(show);

/** Takes new settings: fields, address and image follow. */
function change(to) {
  settings = to;
  write(settings);
  history.replaceState(null, "", toHash(settings, model.info));
  draw(settings);
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
  const step = async (wish) => {
    const done = await show(wish);
    if (done && !walking?.signal.aborted) write((settings = wish));
    return done;
  };
  walk(() => settings, step, walking.signal).then(pause);
}

function pause() {
  if (!walking) return;
  walking.abort();
  walking = null;
  showWalking();
  change(settings);
}

function showWalking() {
  element("walk").textContent = walking ? "Pause" : "Walk";
  element("walk").setAttribute("aria-pressed", String(Boolean(walking)));
}

/** Stores the image that is seen as a file. */
function save() {
  const name = fileName(shown, model.info);
  canvas.toBlob((blob) => {
    const link = Object.assign(document.createElement("a"), { download: name, href: URL.createObjectURL(blob) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    say(`Saved as ${name}`);
  });
}

async function copyLink() {
  const link = new URL(toHash(settings, model.info, false), location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    announce("link", "Copied");
  } catch {
    history.replaceState(null, "", link);
    announce("link", "It is in the address bar");
  }
}

/** Says on a button for a moment what it did. */
function announce(id, text) {
  const before = element(id).dataset.text ?? element(id).textContent;
  element(id).dataset.text = before;
  element(id).textContent = text;
  say(text);
  setTimeout(() => (element(id).textContent = before), 2000);
}

/** Loads the model again on another engine. */
async function changeEngine(to) {
  settings = to;
  element("loading").hidden = false;
  for (const field of document.querySelectorAll(".stage button, .controls fieldset")) field.disabled = true;
  try {
    await open(settings);
    enable();
    loaded();
    change(settings);
  } catch (error) {
    history.replaceState(null, "", toHash({ ...settings, ...engineOf("") }, shownInfo));
    fail(error);
  }
}

let shownInfo = null; // facts of the model, also while none runs

const press = {
  previous: () => change({ ...settings, seed: previous(settings.seed), at: 0 }),
  next: () => change({ ...settings, seed: next(settings.seed), at: 0 }),
  random: () => change({ ...settings, seed: anySeed(), at: 0 }),
  walk: walkOrPause,
  save,
  "random-other": () => change({ ...settings, other: anySeed(), rows: settings.rows || "coarse" }),
  unedit: () => change({ ...settings, edit: {} }),
  link: copyLink,
  anew: () => change({ ...initial(model.info), ...engineOf(location.hash) }),
};

/** Listens to fields, buttons, keys and the address. */
function listen() {
  for (const [id, action] of Object.entries(press)) element(id).addEventListener("click", action);
  document.querySelector(".controls").addEventListener("input", ({ target }) => {
    if (target.id === "shortcuts") return;
    const to = read(target, settings);
    if (!to) return;
    if (["provider", "threads"].includes(target.id)) changeEngine(to);
    else change(to);
  });
  addEventListener("keydown", shortcut);
  addEventListener("hashchange", () => change({ ...fromHash(location.hash, model.info), ...engineOf(toHash(settings, model.info)) }));
}

/** Does what a key stands for, unless a field has its own use for it. */
function shortcut(event) {
  if (!element("shortcuts").checked || event.ctrlKey || event.metaKey || event.altKey || !model) return;
  const key = { ArrowLeft: "previous", ArrowRight: "next", " ": "walk", s: "save", S: "save" }[event.key];
  const inField = event.target.closest("input:not([type=checkbox]), select");
  const inButton = event.key === " " && event.target.closest("button, summary, input");
  if (!key || inField || inButton || element(key).disabled) return;
  event.preventDefault();
  press[key]();
}

async function main() {
  document.documentElement.dataset.started = "";
  element("again").addEventListener("click", tryAgain);
  try {
    checkBrowser();
    await underServiceWorker();
    await open(engineOf(location.hash));
    const { info } = model;
    shownInfo = info;
    build(info);
    canvas.classList.toggle("small", info.resolution < 128);
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
