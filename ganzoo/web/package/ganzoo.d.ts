/** What to load, and how it computes. */
export interface LoadOptions {
  /** "wasm": the processor. "webgpu": the graphics processor. "auto" (default): WebGPU where there is one. */
  provider?: "auto" | "wasm" | "webgpu";
  /** Threads of WebAssembly; 0 (default) for all cores, at most 8. */
  threads?: number;
  /** Compute in a worker, so that the page never freezes (default: false). */
  worker?: boolean;
  /** Folder of the engine's files (default: `../engine/` beside the model). */
  engineUrl?: string | URL;
  /** Your own copy of onnxruntime-web, where a bundler brings it; it does not go into a worker. */
  ort?: unknown;
  onProgress?(progress: Progress): void;
  signal?: AbortSignal;
}

export interface Progress {
  stage: "download" | "prepare";
  /** File that bytes came for. */
  file: string;
  /** Bytes of all files so far, and in all. */
  loaded: number;
  total: number;
}

export interface Direction {
  name: string;
  /** What happens at positive strengths. */
  about: string;
  /** Standard deviation of w along it, the unit of strengths. */
  deviation: number;
  /** Rows of w that it moves: the first, and the one after the last; null for all. */
  rows: [number, number] | null;
}

export interface Info {
  name: string;
  /** Width and height of an image in pixels. */
  resolution: number;
  imgChannels: number;
  zDim: number;
  wDim: number;
  numWs: number;
  /** Number of classes; 0 for a network without. */
  labelDim: number;
  licenses: string[];
  /** Default of `psi`. */
  psi: number;
  /** Bytes of the download. */
  bytes: number;
  directions: Direction[];
}

/** What an image is to be. */
export interface Wish {
  /** 0 to 2^32 - 1; the image is the one of the same seed in Python (default: 0). */
  seed?: number;
  /** 0 (the mean image) to 1 (full variety). */
  psi?: number;
  /** Class of a conditional network (default: 0). */
  label?: number;
  /** Rows `from` to `to` - 1 of w from another seed (default: all). */
  mix?: { seed: number; from?: number; to?: number } | null;
  /** Strength by direction, in standard deviations; images lie within -3 to 3. */
  edit?: Record<string, number>;
}

export interface Generator {
  readonly info: Info;
  readonly engine: { name: string; provider: "wasm" | "webgpu"; threads: number; why: string };
  /** Milliseconds that the last image took. */
  readonly milliseconds: number;
  generate(what?: Wish): Promise<ImageData>;
  /** numWs rows of wDim numbers. */
  latent(what?: Wish): Promise<Float32Array>;
  synthesize(w: Float32Array): Promise<ImageData>;
  close(): Promise<void>;
}

/** A generator from a folder that `ganzoo export MODEL --to web` wrote. Rejects with one plain sentence. */
export function load(url: string | URL, options?: LoadOptions): Promise<Generator>;
