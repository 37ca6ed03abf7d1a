// Files of the page's own server: with progress, unzipped, and checked against their hash.

const GZIP = [0x1f, 0x8b];
const WASM = [0, 0x61, 0x73, 0x6d]; // how WebAssembly begins

/**
 * A JSON file.
 *
 * @param {URL} url
 * @param {AbortSignal} [signal]
 */
export async function fetchJson(url, signal) {
  const response = await request(url, signal);
  try {
    return await response.json();
  } catch {
    throw new Error(`${fileName(url)} is not valid JSON: the folder of the model is damaged.`);
  }
}

/**
 * The bytes of a file.
 *
 * @param {URL} url
 * @param {{sha256: string, bytes: number}} facts of the file as it lies on the server
 * @param {(loaded: number) => void} [onBytes] is told how many have arrived
 * @param {AbortSignal} [signal]
 * @returns {Promise<Uint8Array>}
 */
export async function fetchBytes(url, facts, onBytes = () => {}, signal = undefined) {
  const response = await request(url, signal);
  const parts = [];
  let loaded = 0;
  try {
    for (const reader = response.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      loaded += value.length;
      onBytes(Math.min(loaded, facts.bytes));
    }
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(`${fileName(url)} did not arrive whole: check the network, and load the page again.`);
  }
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  if (url.pathname.endsWith(".gzip") && startsWith(bytes, WASM)) return bytes; // the server unzipped it unasked
  await checkHash(bytes, facts, url);
  return startsWith(bytes, GZIP) ? unzip(bytes) : bytes;
}

async function request(url, signal) {
  let response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(`${fileName(url)} could not be fetched: check the network and the server.`);
  }
  if (response.ok) return response;
  const why = response.status === 404 ? "is missing on the server" : `was refused (status ${response.status})`;
  throw new Error(`${fileName(url)} ${why}: put the whole folder there, as ganzoo export wrote it.`);
}

/** Browsers hash for pages of https and of this machine only; elsewhere the size must do. */
async function checkHash(bytes, facts, url) {
  let same = bytes.length === facts.bytes;
  if (same && globalThis.crypto?.subtle) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    same = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === facts.sha256;
  }
  if (!same) {
    const error = new Error(
      `${fileName(url)} is damaged or of another export: its sha256 differs. Clear what is stored, and try again.`,
    );
    error.code = "hash";
    throw error;
  }
}

function startsWith(bytes, start) {
  return start.every((byte, i) => bytes[i] === byte);
}

async function unzip(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function fileName(url) {
  return url.pathname.split("/").slice(-2).join("/");
}
