/**
 * Settings of an image: what they may be, and how they stand in a link, a file's name and a sentence.
 *
 * @typedef {object} Settings
 * @property {number} seed  0 to 2^32 - 1, as NumPy's
 * @property {number} psi  truncation, 0 to 1.2
 * @property {number} at  0 to 1: how far a walk has gone from the seed to the next one
 * @property {number} label  class of a conditional model
 * @property {number} other  the seed that is mixed in
 * @property {"" | "coarse" | "middle" | "fine"} rows  which rows of w are the other seed's
 * @property {Object<string, number>} edit  strengths of directions in standard deviations; none is 0
 * @property {"auto" | "wasm" | "webgpu"} provider  what the engine runs on
 * @property {number} threads  0 for all
 */

export const LAST_SEED = 2 ** 32 - 1;
export const HIGHEST_PSI = 1.2;
export const LIMIT = 3; // standard deviations: farther, images fall apart
const PROVIDERS = ["auto", "wasm", "webgpu"];

/** First row of w and the one after the last, by the side of the features that they act on (Karras 2019, 3.1). */
const ROWS = { coarse: [0, 4], middle: [4, 8], fine: [8, Infinity] };

/** The names of rows that a model has. */
export function rowNames(numWs) {
  return Object.keys(ROWS).filter((name) => ROWS[name][0] < numWs);
}

/** Settings of a page that was opened without any. @returns {Settings} */
export function initial(info) {
  return { seed: 0, psi: info.psi, at: 0, label: 0, other: 1, rows: "", edit: {}, provider: "auto", threads: 0 };
}

/** Settings that a link holds; what is missing or cannot be is as in `initial`. @returns {Settings} */
export function fromHash(hash, info) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const settings = { ...initial(info), ...engineOf(hash) };
  const number = (key, low, high, whole = true) => {
    const value = Number(given.get(key) || NaN);
    if (value >= low && value <= high && (!whole || Number.isInteger(value))) return value;
    return undefined;
  };
  settings.seed = number("seed", 0, LAST_SEED) ?? settings.seed;
  settings.psi = number("psi", 0, HIGHEST_PSI, false) ?? settings.psi;
  settings.at = number("at", 0, 1, false) ?? settings.at;
  settings.label = number("label", 0, info.labelDim - 1) ?? settings.label;
  settings.other = number("other", 0, LAST_SEED) ?? settings.other;
  if (rowNames(info.numWs).includes(given.get("rows"))) settings.rows = given.get("rows");
  for (const { name } of info.directions) {
    const strength = number(`edit.${name}`, -LIMIT, LIMIT, false);
    if (strength) settings.edit[name] = strength;
  }
  return settings;
}

/** What a link says of the engine: it is needed before the model is known. */
export function engineOf(hash) {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const provider = PROVIDERS.includes(given.get("provider")) ? given.get("provider") : "auto";
  const threads = /^\d{1,2}$/.test(given.get("threads") ?? "") ? Number(given.get("threads")) : 0;
  return { provider, threads };
}

/** A link's part after the `#`. Other people's machines are not this one: `engine` false leaves it out. */
export function toHash(settings, info, engine = true) {
  const first = initial(info);
  const given = new URLSearchParams({ seed: settings.seed });
  const add = (key, value, usual) => value !== usual && given.set(key, value);
  add("psi", settings.psi, first.psi);
  add("at", settings.at, 0);
  add("label", settings.label, 0);
  if (settings.rows) given.set("rows", settings.rows);
  if (settings.rows) given.set("other", settings.other);
  for (const { name } of info.directions) add(`edit.${name}`, settings.edit[name] ?? 0, 0);
  if (engine) add("provider", settings.provider, "auto");
  if (engine) add("threads", settings.threads, 0);
  return `#${given}`;
}

/** What `generate` and `latent` of ganzoo.js take for these settings. */
export function request(settings, info, seed = settings.seed) {
  const { psi, edit, rows, other, label } = settings;
  const wish = { seed, psi, edit: Object.fromEntries(Object.entries(edit).filter(([, value]) => value)) };
  if (info.labelDim) wish.label = label;
  if (rows) {
    const [from, to] = ROWS[rows];
    wish.mix = { seed: other, from, to: Math.min(to, info.numWs) };
  }
  return wish;
}

/** Says in a few words what an image shows. */
export function described(settings, info) {
  const { seed, psi, at, rows, other, label, edit } = settings;
  const parts = [at ? `${Math.round(100 * at)}% of the way from seed ${seed} to ${next(seed)}` : `seed ${seed}`];
  if (info.labelDim) parts.push(`class ${label}`);
  parts.push(`psi ${psi}`);
  if (rows) parts.push(`${rows} rows of seed ${other}`);
  for (const { name } of info.directions) if (edit[name]) parts.push(`${name} ${signed(edit[name])}`);
  return parts.join(", ");
}

/** Name of an image's file, which tells how to make it again. */
export function fileName(settings, info) {
  const { seed, psi, at, rows, other, label, edit } = settings;
  const parts = [info.name, `seed${seed}`];
  if (at) parts.push(`at${at}`);
  if (info.labelDim) parts.push(`class${label}`);
  parts.push(`psi${psi}`);
  if (rows) parts.push(`${rows}${other}`);
  for (const { name } of info.directions) if (edit[name]) parts.push(`${name}${signed(edit[name])}`);
  return `${parts.join("_").replace(/[^\w.+-]/g, "-")}.png`;
}

/** The seed after one, where a walk goes. */
export const next = (seed) => (seed < LAST_SEED ? seed + 1 : 0);

/** The seed before one. */
export const previous = (seed) => (seed > 0 ? seed - 1 : LAST_SEED);

/** A strength with its sign: +1.5. */
export const signed = (value) => (value > 0 ? `+${value}` : `${value}`);
