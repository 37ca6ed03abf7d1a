// Images of a generative network, in a browser, without a server that computes.
//
//   import { load } from "./ganzoo.js";
//   const G = await load("model/");
//   context.putImageData(await G.generate({ seed: 42, psi: 0.7 }), 0, 0);

import { fetchBytes, fetchJson } from "./download.js";
import { engineFiles, openEngine, openNetwork } from "./engine.js";
import { randn } from "./numpy.js";
import { numbers, readNetwork, readTensors } from "./weights.js";

const MAX_SEED = 2 ** 32 - 1;
const CLOSE = 0.05; // how far the means of an image that a graphics processor made may be from the right ones

/**
 * A generator from a folder that `ganzoo export MODEL --to web` wrote. See ganzoo.d.ts for the options.
 *
 * @param {string|URL} url the folder of the model
 * @param {import("./ganzoo").LoadOptions} [options]
 * @returns {Promise<Generator>}
 */
export async function load(url, options = {}) {
  const base = new URL(`${url}`.replace(/\/*$/, "/"), globalThis.location?.href);
  if (!options.worker) return open(base, options);
  const { loadInWorker } = await import("./remote.js");
  return loadInWorker(base, options);
}

async function open(base, options) {
  const { signal, onProgress = () => {} } = options;
  const [manifest, page] = await Promise.all(
    ["manifest.json", "page.json"].map((name) => fetchJson(new URL(name, base), signal)),
  );
  const engineBase = new URL(options.engineUrl ?? "../engine/", base);
  const files = modelFiles(manifest, page);
  const all = [...(await engineFiles(page.engine, options)), ...files];
  const total = all.reduce((sum, file) => sum + file.bytes, 0);
  const loaded = new Map();
  const onBytes = (file, count) => {
    loaded.set(file, count);
    const sum = [...loaded.values()].reduce((a, b) => a + b, 0);
    onProgress({ stage: "download", file: file.path, loaded: sum, total });
  };
  const [engine, ...data] = await Promise.all([
    openEngine(page.engine, engineBase, { ...options, onBytes }),
    ...files.map((f) => fetchBytes(new URL(f.path, base), f, (count) => onBytes(f, count), signal)),
  ]);
  onProgress({ stage: "prepare", file: "", loaded: total, total });
  const model = { manifest, page, bytes: total, data, files };
  try {
    return await assembled(engine, model);
  } catch (error) {
    if (engine.provider !== "webgpu") throw error;
    const why = `WebGPU does not give this network's images here (${error.message}) The processor computes instead.`;
    const other = await openEngine(page.engine, engineBase, { ...options, provider: "wasm" });
    return assembled({ ...other, why: `${why} ${other.why}`.trim() }, model);
  }
}

/** The files of the two networks and of the directions, with their hashes. */
function modelFiles(manifest, page) {
  const files = ["mapping", "synthesis"].map((graph) => {
    const entry = manifest.files?.find((f) => f.target === page.target && f.graph === graph);
    if (!entry) throw new Error(`The folder holds no ${graph} network for browsers: it is no generator's folder.`);
    const [[path, facts]] = Object.entries(entry.files);
    return { path, ...facts };
  });
  return page.directions_file ? [...files, page.directions_file] : files;
}

async function assembled(engine, { manifest, page, bytes, data, files }) {
  const networks = [];
  for (const i of [0, 1]) { // in turn: onnxruntime-web mixes up the weights of two at once
    networks.push(await openNetwork(engine, readNetwork(data[i], files[i].path), files[i].path));
  }
  const vectors = data[2] ? readTensors(data[2], files[2].path).tensors : {};
  const directions = new Map(page.directions.map((d) => [d.name, { ...d, vector: numbers(vectors[d.name]) }]));
  const generator = new Generator(engine, ...networks, directions, infoOf(manifest, page, bytes));
  if (engine.provider !== "webgpu") return generator;
  try {
    await generator.check(page.check);
  } catch (error) {
    await generator.close();
    throw error;
  }
  return generator;
}

function infoOf({ model }, { sizes, licenses, psi, directions }, bytes) {
  return {
    name: model, resolution: sizes.resolution, imgChannels: sizes.img_channels, zDim: sizes.z_dim, wDim: sizes.w_dim,
    numWs: sizes.num_ws, labelDim: sizes.label_dim, licenses, psi, bytes, directions,
  };
}

/** A generator; `load` makes it. */
export class Generator {
  #mapping;
  #synthesis;
  #directions;

  constructor(engine, mapping, synthesis, directions, info) {
    this.#mapping = mapping;
    this.#synthesis = synthesis;
    this.#directions = directions;
    /** What the network is: see `Info` in ganzoo.d.ts. */
    this.info = info;
    /** What computes it: {name, provider, threads, why}. */
    this.engine = { name: engine.name, provider: engine.provider, threads: engine.threads, why: engine.why };
    /** Milliseconds that the last image took. */
    this.milliseconds = 0;
  }

  /** An image: the `ImageData` of `synthesize(await latent(what))`. */
  async generate(what = {}) {
    return this.synthesize(await this.latent(what));
  }

  /**
   * The point of latent space that an image is made of, numWs rows of wDim numbers.
   *
   * @param {import("./ganzoo").Wish} what
   * @returns {Promise<Float32Array>}
   */
  async latent({ seed = 0, psi = this.info.psi, label = 0, mix = null, edit = {} } = {}) {
    const { numWs, wDim } = this.info;
    const w = await this.#map(seed, psi, label);
    if (mix) {
      const [from, to] = [mix.from ?? 0, mix.to ?? numWs];
      checkRows(from, to, numWs);
      const other = await this.#map(mix.seed, psi, label);
      w.set(other.subarray(from * wDim, to * wDim), from * wDim);
    }
    for (const [name, strength] of Object.entries(edit)) this.#move(w, name, strength);
    return w;
  }

  /** W of a seed, as the mapping network gives it, truncated. */
  async #map(seed, psi, label) {
    const { zDim, labelDim } = this.info;
    checkNumber("A seed", seed, 0, MAX_SEED, true);
    checkNumber("psi", psi, -10, 10);
    const inputs = { z: [randn(seed, zDim), [1, zDim]] };
    if (labelDim) {
      checkNumber("A class", label, 0, labelDim - 1, true);
      const chosen = new Float32Array(labelDim);
      chosen[label] = 1;
      inputs.label = [chosen, [1, labelDim]];
    }
    inputs.truncation_psi = [Float32Array.of(psi), [1]]; // in the order of the manifest, which LiteRT goes by
    return this.#mapping.run(inputs);
  }

  /** Moves w along a direction, in place, in the rows that the direction is for. */
  #move(w, name, strength) {
    const direction = this.#directions.get(name);
    if (!direction) {
      const known = [...this.#directions.keys()].join(", ") || "none";
      throw new Error(`There is no direction ${JSON.stringify(name)}. Those of this model: ${known}.`);
    }
    checkNumber(`The strength of ${name}`, strength, -100, 100);
    if (strength === 0) return;
    const { numWs, wDim } = this.info;
    const [first, stop] = direction.rows ?? [0, numWs];
    const step = strength * direction.deviation;
    for (let row = first; row < Math.min(stop, numWs); row++) {
      for (let i = 0; i < wDim; i++) w[row * wDim + i] += step * direction.vector[i];
    }
  }

  /**
   * The image of a point of latent space.
   *
   * @param {Float32Array} w numWs rows of wDim numbers
   * @returns {Promise<ImageData>}
   */
  async synthesize(w) {
    const { resolution } = this.info;
    return new ImageData(this.#pixels(await this.#values(w)), resolution, resolution);
  }

  /** The network's own numbers, channel by channel, about -1 to 1. */
  async #values(w) {
    const { numWs, wDim } = this.info;
    if (w.length !== numWs * wDim) throw new Error(`w has ${numWs} rows of ${wDim} numbers; got ${w.length} numbers.`);
    const start = performance.now();
    const values = await this.#synthesis.run({ w: [w, [1, numWs, wDim]] });
    this.milliseconds = performance.now() - start;
    return values;
  }

  /** Red, green, blue and alpha of every pixel; the array itself rounds as Python does, and clips. */
  #pixels(values) {
    const { resolution, imgChannels } = this.info;
    const count = resolution * resolution;
    const pixels = new Uint8ClampedArray(4 * count).fill(255);
    for (let i = 0; i < count; i++) {
      for (let c = 0; c < Math.max(3, imgChannels); c++) {
        pixels[4 * i + c] = 127.5 * values[(imgChannels < 3 ? 0 : c) * count + i] + 127.5;
      }
    }
    return pixels;
  }

  /**
   * Throws where the engine gives another image than PyTorch: drivers of graphics processors differ.
   *
   * @param {{seed: number, psi: number, grid: number, means: number[]}} expected
   */
  async check({ seed, psi, grid, means }) {
    const values = await this.#values(await this.latent({ seed, psi }));
    const { resolution, imgChannels } = this.info;
    const side = resolution / grid;
    const sums = new Float64Array(imgChannels * grid * grid);
    for (let i = 0; i < values.length; i++) {
      const [x, y] = [i % resolution, Math.floor(i / resolution) % resolution];
      const channel = Math.floor(i / resolution ** 2);
      sums[(channel * grid + Math.floor(y / side)) * grid + Math.floor(x / side)] += values[i] / side ** 2;
    }
    if (!means.every((mean, i) => Math.abs(mean - sums[i]) < CLOSE)) throw new Error("its image is another one.");
  }

  /** Frees the engine's memory; nothing can be generated afterwards. */
  async close() {
    await Promise.all([this.#mapping.close(), this.#synthesis.close()]);
  }
}

function checkNumber(what, value, least, most, whole = false) {
  const fits = Number.isFinite(value) && value >= least && value <= most && (!whole || Number.isInteger(value));
  if (!fits) throw new Error(`${what} is a ${whole ? "whole " : ""}number from ${least} to ${most}; got ${value}.`);
}

function checkRows(from, to, numWs) {
  checkNumber("The first row of a mix", from, 0, numWs - 1, true);
  checkNumber("The end of a mix", to, from + 1, numWs, true);
}
