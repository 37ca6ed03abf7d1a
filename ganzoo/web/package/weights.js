// Files of networks: safetensors with packed weights, as ganzoo/export/packing.py writes them.

const ARRAYS = { F32: Float32Array, I32: Int32Array, U8: Uint8Array };

/**
 * The tensors of a safetensors file.
 *
 * @param {Uint8Array} file
 * @param {string} name for the message
 * @returns {{tensors: Object<string, {dtype: string, shape: number[], bytes: Uint8Array}>, metadata: Object}}
 */
export function readTensors(file, name) {
  const broken = new Error(`${name} is damaged: it is no safetensors file.`);
  if (file.length < 8) throw broken;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = view.getUint32(0, true);
  if (view.getUint32(4, true) || 8 + length > file.length) throw broken;
  let header;
  try {
    header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
  } catch {
    throw broken;
  }
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = {};
  for (const [key, { dtype, shape, data_offsets: [first, stop] }] of Object.entries(entries)) {
    if (8 + length + stop > file.length) throw broken;
    tensors[key] = { dtype, shape, bytes: file.subarray(8 + length + first, 8 + length + stop) };
  }
  return { tensors, metadata };
}

/** @returns {Float32Array|Uint8Array} a tensor's numbers, in memory of their own */
export function numbers({ dtype, bytes }) {
  return new ARRAYS[dtype](bytes.slice().buffer);
}

/**
 * A network: its graph, and the buffer of float32 weights; for LiteRT, where in the graph's file they lie, in bytes.
 *
 * @param {Uint8Array} file
 * @param {string} name for the message
 * @returns {{graph: Uint8Array, weights: Uint8Array, places: number[], lengths: number[]}}
 */
export function readNetwork(file, name) {
  const { tensors, metadata } = readTensors(file, name);
  const graph = tensors["graph.onnx"] ?? tensors["graph.tflite"];
  if (!graph || !metadata.tensors) throw new Error(`${name} holds no network.`);
  const index = JSON.parse(metadata.tensors);
  const last = index.at(-1);
  const all = new Float32Array(last ? last.offset + last.rows * last.columns : 0);
  for (const { name: key, offset, rows, columns, bits } of index) {
    const target = all.subarray(offset, offset + rows * columns);
    if (bits === 32) target.set(numbers(tensors[key]));
    else if (bits === 16) widen(tensors[key].bytes, target);
    else unpack(tensors[key].bytes, numbers(tensors[`${key}:scale`]), bits, columns, target);
  }
  const places = tensors.places ? [...numbers(tensors.places)] : [];
  const lengths = index.map(({ rows, columns }) => 4 * rows * columns);
  return { graph: graph.bytes.slice(), weights: new Uint8Array(all.buffer), places, lengths };
}

/** Whole numbers of a few bits, times the scale of their row; see packing.py. */
function unpack(bytes, scales, bits, columns, target) {
  const middle = 1 << (bits - 1);
  const mask = (1 << bits) - 1;
  let held = 0;
  let have = 0;
  let next = 0;
  for (let row = 0, i = 0; row < scales.length; row++) {
    const scale = scales[row];
    for (let column = 0; column < columns; column++, i++) {
      while (have < bits) {
        held = ((held << 8) | bytes[next++]) & 0xffffff;
        have += 8;
      }
      have -= bits;
      target[i] = (((held >>> have) & mask) - middle) * scale;
    }
  }
}

/** Float16 to float32, by a table of all 65,536: few browsers have Float16Array. */
function widen(bytes, target) {
  table ??= makeTable();
  for (let i = 0; i < target.length; i++) target[i] = table[bytes[2 * i] | (bytes[2 * i + 1] << 8)];
}

let table;

function makeTable() {
  return Float32Array.from({ length: 65536 }, (_, half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >>> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
