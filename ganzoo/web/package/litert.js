// Networks in LiteRT.js.

/** What computes in a build of the engine; see engine.js. */
export async function start({ script, module, binary, threads }) {
  const core = await import(script);
  // Its loader hands this to WebAssembly's own script, whose threads begin with that script, too.
  const quiet = () => {}; // it tells what it is doing, as errors of the console
  globalThis.Module = { wasmBinary: binary, mainScriptUrlOrBlob: module, print: quiet, printErr: quiet };
  await core.loadLiteRt(module);
  return { core, threads };
}

/** A network: a function of its inputs, [numbers, shape] in their order, to its result, and one that frees it. */
export async function open({ core, threads }, network) {
  const model = await core.loadAndCompile(whole(network), { accelerator: "wasm", cpuOptions: { numThreads: threads } });
  const run = async (inputs) => {
    const tensors = Object.values(inputs).map(([data, shape]) => new core.Tensor(data, shape));
    try {
      const [result] = await model.run(tensors);
      const data = Float32Array.from(result.toTypedArray());
      result.delete();
      return data;
    } finally {
      for (const tensor of tensors) tensor.delete();
    }
  };
  return { run, close: () => model.delete() };
}

/** The file that ganzoo/export/web_litert.py took apart. */
function whole({ graph, weights, places, lengths }) {
  const file = new Uint8Array(graph.length + weights.length);
  let [filled, taken, used] = [0, 0, 0];
  places.forEach((start, i) => {
    const between = start - filled;
    file.set(graph.subarray(taken, taken + between), filled);
    file.set(weights.subarray(used, used + lengths[i]), start);
    taken += between;
    used += lengths[i];
    filled = start + lengths[i];
  });
  file.set(graph.subarray(taken), filled);
  return file;
}
