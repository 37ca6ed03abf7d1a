// onnxruntime-web: which of its builds a browser can use, and networks that run in it.

import { fetchBytes } from "./download.js";

const MOST_THREADS = 8; // more threads of WebAssembly wait for one another
// A function that makes a vector of WebAssembly's SIMD and drops it.
const SIMD = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 23, 1, 21, 0, 253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 26, 11,
];

/**
 * An engine that is ready to open networks.
 *
 * @param {Object} files the site's engine: {name, wasm: {script, module, binary}, webgpu: {…}}, each {path, sha256, bytes}
 * @param {URL} base where they lie
 * @param {{provider: string, threads: number, ort?: Object, onBytes?: Function, signal?: AbortSignal}} options
 * @returns {Promise<{ort: Object, name: string, provider: string, threads: number, why: string}>}
 */
export async function openEngine(files, base, { provider = "auto", threads = 0, ort, onBytes, signal }) {
  if (!WebAssembly.validate(new Uint8Array(SIMD))) {
    throw new Error("This browser has no WebAssembly SIMD. Firefox 89, Chrome 91, Safari 16.4 and later have it.");
  }
  const chosen = await chooseProvider(provider, files);
  const many = chooseThreads(threads);
  if (!ort) {
    const build = files[chosen.provider];
    const [module, binary] = [new URL(build.module.path, base), new URL(build.binary.path, base)];
    ort = await import(new URL(build.script.path, base).href);
    ort.env.wasm.wasmPaths = { mjs: module.href };
    const bytes = await fetchBytes(binary, build.binary, (loaded) => onBytes?.(build.binary, loaded), signal);
    ort.env.wasm.wasmBinary = bytes.buffer;
  }
  ort.env.wasm.numThreads = many.threads;
  ort.env.logLevel = "error";
  const why = [chosen.why, many.why].filter(Boolean).join(" ");
  return { ort, name: files.name, provider: chosen.provider, threads: many.threads, why };
}

/** How many bytes an engine's files have: what a progress bar counts. */
export async function engineFiles(files, { provider = "auto", ort }) {
  if (ort) return [];
  const chosen = await chooseProvider(provider, files);
  return [files[chosen.provider].binary];
}

async function chooseProvider(wanted, files) {
  if (!["auto", "wasm", "webgpu"].includes(wanted)) {
    throw new Error(`The provider is auto, wasm or webgpu, not ${JSON.stringify(wanted)}.`);
  }
  if (wanted === "wasm") return { provider: "wasm", why: "" };
  let adapter = null;
  try {
    adapter = files.webgpu ? await globalThis.navigator?.gpu?.requestAdapter() : null;
  } catch {
    adapter = null; // a driver that fails is none
  }
  if (adapter) return { provider: "webgpu", why: "" };
  if (wanted === "auto") return { provider: "wasm", why: "" };
  const why = files.webgpu ? "This browser offers no WebGPU here." : "This site was made without WebGPU.";
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

/**
 * A network in an engine.
 *
 * @param {{ort: Object, provider: string}} engine
 * @param {{graph: Uint8Array, weights: Uint8Array}} network
 * @param {string} name for the message
 * @returns {Promise<{run: (inputs: Object<string, [Float32Array, number[]]>) => Promise<Float32Array>, close: Function}>}
 */
export async function openNetwork({ ort, provider }, { graph, weights }, name) {
  let session;
  try {
    session = await ort.InferenceSession.create(graph, {
      executionProviders: [provider],
      externalData: [{ path: "weights", data: weights }],
    });
  } catch (error) {
    throw new Error(told(error, `The engine could not open ${name}`));
  }
  return {
    async run(inputs) {
      const tensors = {};
      for (const [key, [data, shape]] of Object.entries(inputs)) {
        tensors[key] = new ort.Tensor("float32", data, shape);
      }
      try {
        const results = await session.run(tensors);
        const result = results[session.outputNames[0]];
        const data = Float32Array.from(await result.getData());
        result.dispose();
        return data;
      } catch (error) {
        throw new Error(told(error, `The engine could not compute ${name}`));
      }
    },
    close: () => session.release(),
  };
}

function told(error, what) {
  const said = String(error?.message ?? error);
  const memory = /out of memory|allocat|bad_alloc|memory access/i.test(said) || error instanceof RangeError;
  if (memory) return `${what}: there is not enough memory. Close other pages, or take a smaller model.`;
  return `${what}: ${said.split("\n")[0].slice(0, 200)}`;
}
