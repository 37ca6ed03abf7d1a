/** Images one after the other: the newest wish, and a walk between seeds. */

import { next, request } from "./state.js";

const SECONDS = 4; // from seed to seed, on a fast machine
const LONGEST_STEP = 1 / 8; // of the way: on a slow machine a walk takes longer, and does not jump
const STILL_SECONDS = 2; // how long a seed stands where things are not to move

/**
 * A function that has one job done at a time, and of the wishes that came meanwhile only the last.
 *
 * A slider asks more often than images can be made.
 * @template T
 * @param {(wish: T) => Promise<void>} work  must not reject
 * @returns {(wish: T) => void}
 */
export function newest(work) {
  let busy = false;
  let waiting = [];
  return async (wish) => {
    waiting = [wish];
    if (busy) return;
    busy = true;
    while (waiting.length) await work(waiting.pop());
    busy = false;
  };
}

/** What makes the images of settings, those between two seeds included, with what `load` of ganzoo.js gave. */
export class Painter {
  #model;
  #known = new Map(); // w of the two seeds between which a walk is
  #turn = Promise.resolve(); // engines compute one image at a time

  constructor(model) {
    this.#model = model;
  }

  /** @param {import("./state.js").Settings} settings @returns {Promise<ImageData>} */
  paint(settings) {
    const image = this.#turn.then(() => this.#made(settings));
    this.#turn = image.catch(() => {});
    return image;
  }

  async #made(settings) {
    const model = this.#model;
    if (!settings.at) return model.generate(request(settings, model.info));
    const wishes = [settings.seed, next(settings.seed)].map((seed) => request(settings, model.info, seed));
    const [start, end] = await this.#latents(wishes);
    return model.synthesize(start.map((value, i) => value + settings.at * (end[i] - value)));
  }

  /** @returns {Promise<Float32Array[]>} */
  async #latents(wishes) {
    const found = new Map();
    for (const wish of wishes) {
      const key = JSON.stringify(wish);
      found.set(key, this.#known.get(key) ?? (await this.#model.latent(wish)));
    }
    this.#known = found;
    return [...found.values()];
  }
}

/**
 * Walks from seed to seed until told to stop.
 *
 * @param {() => import("./state.js").Settings} settings  asked at every step: they may change on the way
 * @param {(settings: import("./state.js").Settings) => Promise<boolean>} show  false if it could not
 * @param {AbortSignal} signal
 */
export async function walk(settings, show, signal) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let before = performance.now();
  while (!signal.aborted) {
    if (still) await new Promise((done) => setTimeout(done, 1000 * STILL_SECONDS));
    else await new Promise(requestAnimationFrame);
    if (signal.aborted) return;
    const now = performance.now();
    const step = still ? 1 : Math.min((now - before) / 1000 / SECONDS, LONGEST_STEP);
    before = now;
    if (!(await show(moved(settings(), step)))) return;
  }
}

/** Settings one step further on the way. */
function moved(settings, step) {
  const at = Math.round(1000 * (settings.at + step)) / 1000;
  return at < 1 ? { ...settings, at } : { ...settings, seed: next(settings.seed), at: 0 };
}
