// A generator that computes in a worker, so that a page never freezes; it has the manners of the one in ganzoo.js.

/**
 * The same as `load`, in a worker.
 *
 * @param {URL} base
 * @param {import("./ganzoo").LoadOptions} options
 */
export async function loadInWorker(base, { signal, onProgress, provider, threads, engineUrl }) {
  const worker = new Worker(new URL("./worker.js", import.meta.url));
  const remote = new Remote(worker, onProgress);
  const stop = () => remote.end(new DOMException("Loading was stopped.", "AbortError"));
  signal?.addEventListener("abort", stop);
  try {
    signal?.throwIfAborted();
    const url = engineUrl && new URL(engineUrl, globalThis.location.href).href;
    const { info, engine } = await remote.call("load", [base.href, { provider, threads, engineUrl: url }]);
    return new RemoteGenerator(remote, info, engine);
  } catch (error) {
    remote.end(error);
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** Calls of a worker, each with its answer. */
class Remote {
  constructor(worker, onProgress = () => {}) {
    this.worker = worker;
    this.open = new Map();
    this.last = 0;
    worker.onmessage = ({ data: { id, result, error, progress } }) => {
      if (progress) return onProgress(progress);
      const { resolve, reject } = this.open.get(id) ?? {};
      this.open.delete(id);
      return error ? reject?.(Object.assign(new Error(error.message), { code: error.code })) : resolve?.(result);
    };
    worker.onerror = (event) => {
      event.preventDefault?.();
      this.end(new Error(`The worker stopped: ${event.message ?? "its script could not be loaded."}`));
    };
  }

  call(name, args) {
    if (this.ended) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      this.open.set(++this.last, { resolve, reject });
      this.worker.postMessage({ id: this.last, name, args });
    });
  }

  end(error) {
    this.ended ??= error;
    this.worker.terminate();
    for (const { reject } of this.open.values()) reject(error);
    this.open.clear();
  }
}

class RemoteGenerator {
  #remote;

  constructor(remote, info, engine) {
    this.#remote = remote;
    this.info = info;
    this.engine = engine;
    this.milliseconds = 0;
  }

  async generate(what = {}) {
    return this.#image(await this.#remote.call("generate", [what]));
  }

  async latent(what = {}) {
    return this.#remote.call("latent", [what]);
  }

  async synthesize(w) {
    return this.#image(await this.#remote.call("synthesize", [w]));
  }

  #image({ image, milliseconds }) {
    this.milliseconds = milliseconds;
    return image;
  }

  async close() {
    this.#remote.end(new Error("This generator was closed."));
  }
}
