// The worker's side of remote.js. It is a classic worker: LiteRT.js loads its script in no other.

const module = import("./ganzoo.js");
let generator;

const calls = {
  async load(url, options) {
    const onProgress = (progress) => postMessage({ progress });
    const { load } = await module;
    generator = await load(url, { ...options, onProgress });
    return { info: generator.info, engine: generator.engine };
  },
  latent: (what) => generator.latent(what),
  generate: async (what) => withTime(await generator.generate(what)),
  synthesize: async (w) => withTime(await generator.synthesize(w)),
};

onmessage = async ({ data: { id, name, args } }) => {
  try {
    postMessage({ id, result: await calls[name](...args) });
  } catch (error) {
    postMessage({ id, error: { message: String(error?.message ?? error), code: error?.code } });
  }
};

function withTime(image) {
  return { image, milliseconds: generator.milliseconds };
}
