// The stream of numpy.random.RandomState(seed).randn: MT19937 and the polar method, in double precision.

const N = 624;
const M = 397;

/** The generator of Matsumoto and Nishimura (1998), seeded with one number. */
class MersenneTwister {
  /** @param {number} seed 0 to 2^32 - 1 */
  constructor(seed) {
    this.state = new Uint32Array(N);
    this.state[0] = seed;
    for (let i = 1; i < N; i++) {
      const last = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(1812433253, last) + i;
    }
    this.next = N;
  }

  /** @returns {number} the next whole number of 32 bits */
  word() {
    if (this.next === N) this.refill();
    let y = this.state[this.next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** @returns {number} uniform in [0, 1), of 53 bits */
  uniform() {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  refill() {
    const { state } = this;
    for (let i = 0; i < N; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7fffffff);
      state[i] = state[(i + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.next = 0;
  }
}

/**
 * Normal numbers of a seed, the same as numpy.random.RandomState(seed).randn(count) to the last bits of a double.
 *
 * @param {number} seed 0 to 2^32 - 1
 * @param {number} count
 * @returns {Float32Array}
 */
export function randn(seed, count) {
  const random = new MersenneTwister(seed);
  const result = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    let x, y, square;
    do {
      x = 2 * random.uniform() - 1;
      y = 2 * random.uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    result[i] = factor * y; // NumPy gives the second number first
    if (i + 1 < count) result[i + 1] = factor * x;
  }
  return result;
}
