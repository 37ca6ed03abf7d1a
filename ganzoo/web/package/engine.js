// The engine of a site: which of its builds a browser can use, and networks that run in it.

import { fetchBytes } from "./download.js";

const MOST_THREADS = 8; // more threads of WebAssembly wait for one another
const VECTOR = [253, 12, ...new Array(16).fill(0)]; // a constant of WebAssembly's SIMD
const DROP = 26;

/**
 * An engine that is ready to open networks.
 *
 * @param {Object} files the site's engine: {kind, name, builds}, a build of {script, module, binary}
 * @param {URL} base where they lie
 * @param {{provider: string, threads: number, ort?: Object, onBytes?: Function, signal?: AbortSignal}} options
 */
export async function openEngine(files, base, options) {
  const { build, provider, threads, why } = await choose(files, options);
  const { onBytes, signal, ort } = options;
  const at = (role) => new URL(files.builds[build][role].path, base);
  const facts = files.builds[build].binary;
  const binary = ort ? null : await fetchBytes(at("binary"), facts, (loaded) => onBytes?.(facts, loaded), signal);
  const kinds = { onnxruntime: () => import("./onnxruntime.js"), litert: () => import("./litert.js") };
  const { start, open } = await kinds[files.kind]();
  let started;
  try {
    started = await start({ script: at("script").href, module: at("module").href, binary, threads, provider, ort });
  } catch (error) {
    throw new Error(told(error, `${files.name} could not be started`));
  }
  return { name: files.name, provider, threads, why, open: (network) => open(started, network) };
}

/** The engine's files that are counted by a progress bar. */
export async function engineFiles(files, options) {
  return options.ort ? [] : [files.builds[(await choose(files, options)).build].binary];
}

/**
 * A network in an engine, its errors one sentence each.
 *
 * @returns {Promise<{run: (inputs: Object<string, [Float32Array, number[]]>) => Promise<Float32Array>, close: Function}>}
 */
export async function openNetwork(engine, network, name) {
  const inSentences = async (what, work) => {
    try {
      return await work();
    } catch (error) {
      throw new Error(told(error, `The engine could not ${what} ${name}`));
    }
  };
  const opened = await inSentences("open", () => engine.open(network));
  return { run: (inputs) => inSentences("compute", () => opened.run(inputs)), close: opened.close };
}

async function choose(files, { provider = "auto", threads = 0 }) {
  if (!knows([...VECTOR, DROP])) {
    throw new Error("This browser has no WebAssembly SIMD. Firefox 89, Chrome 91, Safari 16.4 and later have it.");
  }
  const chosen = await chooseProvider(provider, files.builds);
  const many = chooseThreads(threads);
  if (chosen.provider === "webgpu") return { ...chosen, build: "webgpu", threads: many.threads };
  const why = [chosen.why, many.why].filter(Boolean);
  if (!files.builds.single) return { ...chosen, build: "threads", threads: many.threads, why: why.join(" ") };
  const relaxed = knows([...VECTOR, ...VECTOR, ...VECTOR, 253, 133, 2, DROP]); // multiply and add at once
  if (!relaxed) why.push("One thread only: this browser has no relaxed SIMD, which this engine's threads need.");
  const build = relaxed ? (many.threads > 1 ? "threads" : "single") : "compatible";
  return { ...chosen, build, threads: build === "threads" ? many.threads : 1, why: why.join(" ") };
}

/** Whether a browser knows a function's instructions. */
function knows(instructions) {
  const body = [0, ...instructions, 11];
  const code = [1, body.length, ...body];
  const header = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0];
  return WebAssembly.validate(new Uint8Array([...header, 10, code.length, ...code]));
}

async function chooseProvider(wanted, builds) {
  if (!["auto", "wasm", "webgpu"].includes(wanted)) {
    throw new Error(`The provider is auto, wasm or webgpu, not ${JSON.stringify(wanted)}.`);
  }
  if (wanted === "wasm") return { provider: "wasm", why: "" };
  let adapter = null;
  try {
    adapter = builds.webgpu ? await globalThis.navigator?.gpu?.requestAdapter() : null;
  } catch {
    adapter = null; // a driver that fails is none
  }
  const slow = adapter?.info?.isFallbackAdapter; // a processor that plays a graphics processor
  if (adapter && !(slow && wanted === "auto")) return { provider: "webgpu", why: "" };
  if (wanted === "auto") return { provider: "wasm", why: "" };
  const why = builds.webgpu ? "This browser offers no WebGPU here." : "This site's engine has no WebGPU.";
  return { provider: "wasm", why: `${why} The processor computes instead.` };
}

function chooseThreads(wanted) {
  if (!Number.isInteger(wanted) || wanted < 0) {
    throw new Error(`The number of threads is a whole number, 0 for all; got ${wanted}.`);
  }
  const cores = globalThis.navigator?.hardwareConcurrency ?? 1;
  const threads = wanted || Math.min(cores, MOST_THREADS);
  if (threads === 1) return { threads, why: "" };
  if (!globalThis.crossOriginIsolated || typeof SharedArrayBuffer === "undefined") {
    return { threads: 1, why: "One thread only: the server does not send the headers that threads need." };
  }
  return { threads, why: "" };
}

function told(error, what) {
  const said = String(error?.message ?? error);
  const memory = /out of memory|allocat|bad_alloc|memory access/i.test(said) || error instanceof RangeError;
  if (memory) return `${what}: there is not enough memory. Close other pages, or take a smaller model.`;
  return `${what}: ${said.split("\n")[0].slice(0, 200)}`;
}
