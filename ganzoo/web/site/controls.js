/** The fields of the page: what they hold, and how they follow the settings. */

import { LAST_SEED, LIMIT, rowNames, signed } from "./state.js";

const element = (id) => document.getElementById(id);
const STEP = 0.1; // of a direction's slider
const DIGITS = 1e4; // a slider's steps are no exact numbers
const COMES = { coarse: "Coarse: shape and pose", middle: "Middle: features", fine: "Fine: color and texture" };

/** Makes the fields that depend on the model. @param {object} info  facts of the model, as in ganzoo.js */
export function build(info) {
  for (let label = 0; label < info.labelDim; label++) element("label").add(new Option(label, label));
  element("classes").hidden = !info.labelDim;
  for (const name of rowNames(info.numWs)) element("rows").append(radio(name, COMES[name]));
  element("sliders").replaceChildren(...info.directions.map(slider));
  element("directions").hidden = !info.directions.length;
  for (const threads of choices(navigator.hardwareConcurrency)) element("threads").add(new Option(threads, threads));
  element("licenses").append(...info.licenses.map((textContent) => make("li", { textContent })));
}

/** Numbers of threads to choose from. */
function choices(most) {
  return [1, 2, 3, 4, 6, 8, 12, 16].filter((threads) => threads <= most);
}

function radio(name, text) {
  const label = document.createElement("label");
  label.append(make("input", { type: "radio", name: "rows", value: name }), text);
  return label;
}

/** A direction's slider with its name, its value and what it changes. */
function slider({ name, about }, index) {
  const id = `direction-${index}`;
  const limits = { min: -LIMIT, max: LIMIT, step: STEP, value: 0 };
  const input = make("input", { id, type: "range", ...limits });
  input.dataset.direction = name;
  const output = make("output", { id: `${id}-value`, textContent: "0" });
  output.htmlFor.add(id);
  const box = make("div", { className: "slider" });
  box.append(make("label", { htmlFor: id, textContent: name }), output, input);
  if (about && about !== name) {
    input.setAttribute("aria-describedby", `${id}-about`);
    box.append(make("p", { id: `${id}-about`, className: "hint", textContent: about }));
  }
  return box;
}

const make = (kind, facts) => Object.assign(document.createElement(kind), facts);

/** Lets the fields be used. */
export function enable() {
  for (const field of fields()) field.disabled = false;
}

/** Lets nothing be changed while the model is loaded again. */
export function disable() {
  for (const field of fields()) field.disabled = true;
}

const fields = () => document.querySelectorAll(".stage .actions button, .controls fieldset, .controls > .actions button");

/** Writes settings into the fields; one that is being typed into is left alone. */
export function write(settings) {
  const set = (field, value) => {
    if (field.type === "number" && field === document.activeElement) return;
    field.value = value;
    field.removeAttribute("aria-invalid");
  };
  set(element("seed"), settings.seed);
  set(element("other"), settings.other);
  for (const id of ["psi", "label", "provider"]) set(element(id), settings[id]);
  if (![...element("threads").options].some((option) => Number(option.value) === settings.threads)) {
    element("threads").add(new Option(settings.threads, settings.threads));
  }
  set(element("threads"), settings.threads);
  element("psi-value").textContent = settings.psi;
  for (const input of document.querySelectorAll("[name=rows]")) input.checked = input.value === settings.rows;
  for (const input of document.querySelectorAll("[data-direction]")) {
    const strength = settings.edit[input.dataset.direction] ?? 0;
    set(input, strength);
    element(`${input.id}-value`).textContent = signed(strength);
  }
}

/** Settings with what one field says, or null if it says nothing that can be. */
export function read(field, settings) {
  const value = Number(field.value);
  if (field.type === "number") {
    const valid = field.value !== "" && Number.isInteger(value) && value >= 0 && value <= LAST_SEED;
    field.setAttribute("aria-invalid", String(!valid));
    if (!valid) return null;
  }
  if (field.dataset.direction) {
    const strength = Math.round(value * DIGITS) / DIGITS;
    return { ...settings, edit: { ...settings.edit, [field.dataset.direction]: strength } };
  }
  // A second seed that changes nothing on the image would look broken.
  if (field.id === "other") return { ...settings, other: value, rows: settings.rows || "coarse" };
  if (field.id === "seed") return { ...settings, seed: value, at: 0 };
  if (field.name === "rows" || field.id === "provider") return { ...settings, [field.name || field.id]: field.value };
  return { ...settings, [field.id]: value };
}

/** Another seed, short enough to be told to somebody. */
export const anySeed = () => Math.floor(Math.random() * 1e6);
