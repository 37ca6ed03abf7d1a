// Networks in onnxruntime-web.

/** What computes in a build of the engine; see engine.js. */
export async function start({ script, module, binary, threads, provider, ort }) {
  if (!ort) {
    ort = await import(script);
    ort.env.wasm.wasmPaths = { mjs: module };
    ort.env.wasm.wasmBinary = binary.buffer;
  }
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  return { ort, provider };
}

/** A network: a function of its inputs, [numbers, shape] by name, to its result, and one that frees it. */
export async function open({ ort, provider }, { graph, weights }) {
  const session = await ort.InferenceSession.create(graph, {
    executionProviders: [provider],
    externalData: [{ path: "weights", data: weights }],
  });
  const run = async (inputs) => {
    const tensors = {};
    for (const [key, [data, shape]] of Object.entries(inputs)) {
      tensors[key] = new ort.Tensor("float32", data, shape);
    }
    const results = await session.run(tensors);
    const result = results[session.outputNames[0]];
    const data = Float32Array.from(await result.getData());
    result.dispose();
    return data;
  };
  return { run, close: () => session.release() };
}
