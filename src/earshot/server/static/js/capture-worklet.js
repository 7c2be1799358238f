// Runs in the audio thread: mixes channels, resamples, and posts a tenth of a second at a time as 16-bit samples.

// Linear-phase band-limited interpolation: a Kaiser-windowed sinc (beta 8.96, 90 dB) whose stop band begins at
// half of the lower rate. Output sample m lies at m / target seconds of the input, so nothing is shifted.
// The notebook's recorder has the same one; a test holds the two together.
function defineResampler() {
  const ZERO_CROSSINGS = 48;
  const BETA = 8.96;
  const MAX_PHASES = 1024; // of a rate without a small common divisor the nearest phase is taken

  const divisor = (a, b) => (b ? divisor(b, a % b) : a);
  const bessel = (x) => {
    let sum = 1;
    for (let term = 1, k = 1; term > 1e-12 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
    return sum;
  };

  return class Resampler {
    constructor(sourceRate, targetRate) {
      const common = divisor(sourceRate, targetRate);
      this.up = targetRate / common;
      this.down = sourceRate / common;
      this.numPhases = Math.min(this.up, MAX_PHASES);
      this.half = Math.ceil(ZERO_CROSSINGS * Math.max(1, sourceRate / targetRate));
      this.table = this.up === this.down ? null : this.design(Math.min(1, targetRate / sourceRate));
      this.kept = new Float32Array(this.half); // silence before the first sample
      this.position = 0; // input sample, in `kept`, at whose left the next output lies …
      this.remainder = 0; // … and how far beyond, in 1 / up
    }

    design(ratio) {
      const width = 2 * this.half;
      const cutoff = ratio * (1 - 0.0595); // the middle of a transition that ends at half of the lower rate
      const table = new Float32Array(this.numPhases * width);
      for (let phase = 0; phase < this.numPhases; phase++) {
        for (let tap = 0; tap < width; tap++) {
          const t = tap - this.half + 1 - phase / this.numPhases;
          const inside = Math.max(0, 1 - (t / this.half) ** 2);
          const sinc = t === 0 ? 1 : Math.sin(Math.PI * cutoff * t) / (Math.PI * cutoff * t);
          table[phase * width + tap] = (cutoff * sinc * bessel(BETA * Math.sqrt(inside))) / bessel(BETA);
        }
      }
      return table;
    }

    accept(samples) {
      if (!this.table) return samples.slice();
      const input = new Float32Array(this.kept.length + samples.length);
      input.set(this.kept);
      input.set(samples, this.kept.length);
      const width = 2 * this.half;
      const output = [];
      // An output needs the inputs position + 1 … position + 2 × half, its own place being in the middle.
      while (this.position + width < input.length) {
        const phase = Math.round((this.remainder * this.numPhases) / this.up);
        const row = Math.min(phase, this.numPhases - 1) * width;
        const first = this.position + 1;
        let sum = 0;
        for (let tap = 0; tap < width; tap++) sum += this.table[row + tap] * input[first + tap];
        output.push(sum);
        this.remainder += this.down;
        this.position += Math.floor(this.remainder / this.up);
        this.remainder %= this.up;
      }
      const used = Math.min(this.position, input.length);
      this.kept = input.slice(used);
      this.position -= used;
      return Float32Array.from(output);
    }

    finish() {
      return this.table ? this.accept(new Float32Array(this.half)) : new Float32Array(0);
    }
  };
}

const Resampler = defineResampler();
const BLOCK = 1600; // 100 ms

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, 16000);
    this.block = new Int16Array(BLOCK);
    this.filled = 0;
    this.isRunning = true;
    this.port.onmessage = () => this.finish();
  }

  process(inputs) {
    const channels = inputs[0];
    if (!this.isRunning) return false;
    if (!channels.length) return true;
    let mono = channels[0];
    if (channels.length > 1) {
      mono = mono.map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
    }
    this.add(this.resampler.accept(mono));
    return true;
  }

  add(samples) {
    for (const sample of samples) {
      this.block[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(sample * 32768)));
      if (this.filled === BLOCK) this.post();
    }
  }

  post() {
    const samples = this.block.slice(0, this.filled);
    this.filled = 0;
    this.port.postMessage({ samples }, [samples.buffer]);
  }

  finish() {
    if (!this.isRunning) return;
    this.isRunning = false;
    this.add(this.resampler.finish());
    if (this.filled) this.post();
    this.port.postMessage({ isDone: true });
  }
}
registerProcessor("earshot-capture", Capture);
