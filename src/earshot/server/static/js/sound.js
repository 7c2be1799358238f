// Pictures of the sound on canvases: the outline of all of it, and the spectrogram around the position.

const VISIBLE = 16; // seconds of spectrogram
const COLOURS = ["--strong-line", "--accent", "--sunken", "--ink"];

function fit(canvas) {
  const scale = devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  return { width, height, scale };
}

// What a picture needs to know of the page. Asking for it makes the browser lay the page out at once, so it is asked
// when the size changes, and for the colours now and then, but not with each frame.
class Surroundings {
  constructor(canvas) {
    this.canvas = canvas;
    this.askedAt = -Infinity;
    this.size = null;
  }

  get fitted() {
    this.size ??= fit(this.canvas);
    return this.size;
  }

  colour(name) {
    if (performance.now() - this.askedAt > 400) {
      this.askedAt = performance.now();
      const style = getComputedStyle(this.canvas);
      this.colours = Object.fromEntries(COLOURS.map((each) => [each, style.getPropertyValue(each).trim()]));
    }
    return this.colours[name];
  }

  forget() {
    this.size = null;
    this.askedAt = -Infinity;
  }
}

export class Waveform {
  constructor(canvas) {
    this.canvas = canvas;
    this.around = new Surroundings(canvas);
    this.peaks = null;
  }

  setPeaks(peaks) {
    this.peaks = peaks;
    this.bars = null;
  }

  // The outline is drawn once a size and theme; a frame only copies it, so that playing costs next to nothing.
  draw(now, duration) {
    const { width, height, scale } = this.around.fitted;
    if (!width || !height) return;
    const colours = [this.around.colour("--strong-line"), this.around.colour("--accent")];
    const key = `${width} ${height} ${duration} ${colours} ${Boolean(this.peaks)}`;
    if (this.key !== key) {
      this.key = key;
      this.layers = colours.map((paint) => this.layer(paint, width, height, scale, duration));
    }
    const context = this.canvas.getContext("2d");
    const at = duration ? Math.min(width, (now / duration) * width) : 0;
    context.clearRect(0, 0, width, height);
    if (at < width) context.drawImage(this.layers[0], at, 0, width - at, height, at, 0, width - at, height);
    if (at > 0) context.drawImage(this.layers[1], 0, 0, at, height, 0, 0, at, height);
    context.fillStyle = colours[1];
    context.fillRect(Math.max(0, Math.min(width - 2 * scale, at - scale)), 0, 2 * scale, height);
  }

  layer(paint, width, height, scale, duration) {
    const layer = document.createElement("canvas");
    [layer.width, layer.height] = [width, height];
    const context = layer.getContext("2d");
    context.fillStyle = paint;
    const step = 3 * scale;
    const numBars = Math.floor(width / step);
    const heights = this.heights(numBars, duration);
    for (let bar = 0; bar < numBars; bar++) {
      const size = Math.max(2 * scale, heights[bar] * height);
      context.beginPath();
      context.roundRect(bar * step, (height - size) / 2, 2 * scale, size, scale);
      context.fill();
    }
    return layer;
  }

  // The loudest is as high as the canvas: a quiet recording is to be seen as well. The root brings out soft speech.
  heights(numBars, duration) {
    const heights = new Float32Array(numBars);
    if (!this.peaks?.high.length || !duration) return heights;
    const { low, high, seconds_per_column: seconds } = this.peaks;
    let loudest = 1;
    for (let column = 0; column < high.length; column++) loudest = Math.max(loudest, high[column], -low[column]);
    for (let bar = 0; bar < numBars; bar++) {
      const first = Math.floor((bar / numBars) * (duration / seconds));
      const last = Math.max(first + 1, Math.floor(((bar + 1) / numBars) * (duration / seconds)));
      for (let column = first; column < Math.min(last, high.length); column++) {
        heights[bar] = Math.max(heights[bar], high[column], -low[column]);
      }
      heights[bar] = Math.sqrt(heights[bar] / loudest) ** 1.4;
    }
    return heights;
  }
}

export class Spectrogram {
  // tile: {seconds, hop, bands} of the server's tiles; onLoad: called when one has come.
  constructor(canvas, id, tile, onLoad) {
    this.canvas = canvas;
    this.around = new Surroundings(canvas);
    this.id = id;
    this.tile = tile;
    this.onLoad = onLoad;
    this.tiles = new Map(); // by index: null while it is on its way
    this.from = 0;
  }

  timeAt(event) {
    const { left, width } = this.canvas.getBoundingClientRect();
    return this.from + ((event.clientX - left) / width) * VISIBLE;
  }

  draw(now, duration) {
    const { width, height, scale } = this.around.fitted;
    if (!width || !height) return;
    this.from = Math.max(0, Math.min(now - VISIBLE / 2, Math.max(0, duration - VISIBLE)));
    const context = this.canvas.getContext("2d");
    context.fillStyle = this.around.colour("--sunken");
    context.fillRect(0, 0, width, height);
    context.imageSmoothingEnabled = true;
    const { seconds } = this.tile;
    const last = Math.floor((this.from + VISIBLE) / seconds);
    for (let index = Math.floor(this.from / seconds); index <= last; index++) {
      if (index * seconds >= duration) break;
      const image = this.image(index);
      if (!image) continue;
      const x = ((index * seconds - this.from) / VISIBLE) * width;
      context.drawImage(image, x, 0, ((image.width * this.tile.hop) / VISIBLE) * width, height);
    }
    context.fillStyle = this.around.colour("--accent");
    context.fillRect(((now - this.from) / VISIBLE) * width - scale, 0, 2 * scale, height);
  }

  image(index) {
    const theme = this.around.colour("--ink");
    if (this.theme !== theme) {
      this.theme = theme;
      for (const [known, entry] of this.tiles) if (entry) this.tiles.set(known, { ...entry, image: null });
    }
    if (!this.tiles.has(index)) this.load(index);
    const entry = this.tiles.get(index);
    if (!entry?.values.length) return null;
    entry.image ??= this.paint(entry.values);
    return entry.image;
  }

  async load(index) {
    this.tiles.set(index, null);
    if (this.tiles.size > 40) this.tiles.delete(this.tiles.keys().next().value);
    const response = await fetch(`/api/sessions/${this.id}/spectrogram/${index}`).catch(() => null);
    const values = response?.ok ? new Uint8Array(await response.arrayBuffer()) : new Uint8Array();
    this.tiles.set(index, { values, image: null });
    this.onLoad();
  }

  // From paper to ink: what is loud is dark on a light page, and light on a dark one.
  paint(values) {
    const { bands } = this.tile;
    const numColumns = Math.floor(values.length / bands);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [numColumns, bands];
    const context = canvas.getContext("2d");
    const image = context.createImageData(numColumns, bands);
    const [paper, ink] = ["--sunken", "--ink"].map((name) => rgb(this.around.colour(name)));
    for (let column = 0; column < numColumns; column++) {
      for (let band = 0; band < bands; band++) {
        const share = (values[column * bands + band] / 255) ** 1.3;
        const at = 4 * ((bands - 1 - band) * numColumns + column);
        for (let channel = 0; channel < 3; channel++) {
          image.data[at + channel] = paper[channel] + (ink[channel] - paper[channel]) * share;
        }
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }
}

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
