// Playing: the sound, its outline, its spectrogram, and the word that is being said.

import { ask } from "./api.js";
import { clock, icon, make } from "./dom.js";
import { Spectrogram, Waveform } from "./sound.js";

const SPEEDS = [0.75, 1, 1.25, 1.5, 2];

export class Player {
  // onTime: told the seconds, once a frame while it plays; onDecided: told when somebody plays or seeks.
  constructor(id, onTime, onSeek) {
    this.id = id;
    this.onTime = onTime;
    this.onSeek = onSeek;
    this.duration = 0;
    this.audio = make("audio", { preload: "metadata" });
    this.audio.addEventListener("play", () => this.begin());
    this.audio.addEventListener("pause", () => this.showState());
    this.audio.addEventListener("ended", () => this.showState());
    this.audio.addEventListener("seeked", () => this.tick());
    this.audio.addEventListener("durationchange", () => this.setDuration(this.audio.duration));
    this.audio.addEventListener("error", () => this.fail());
    this.build();
  }

  build() {
    this.playButton = make("button.icon-button.play", { type: "button", onclick: () => this.toggle() });
    this.time = make("span.clock", {}, "0:00");
    this.speed = make("select.select", { "aria-label": "Speed", onchange: () => this.setSpeed() });
    for (const speed of SPEEDS) this.speed.append(make("option", { value: speed }, `${speed}×`));
    this.speed.value = 1;
    this.spectrumButton = make("button.icon-button", { type: "button", title: "Spectrogram", "aria-label": "Spectrogram", "aria-pressed": "false", onclick: () => this.toggleSpectrogram() }, icon("spectrum"));
    const skip = (seconds, name, label) =>
      make("button.icon-button", { type: "button", title: label, "aria-label": label, onclick: () => this.seek(this.audio.currentTime + seconds) }, icon(name));
    this.canvas = make("canvas");
    this.waveBox = make("div.wave", { tabindex: 0, role: "slider", "aria-label": "Position", "aria-valuemin": 0 }, this.canvas);
    this.spectrumBox = make("div.spectrogram", { hidden: true });
    this.legend = make("span.legend", {}, make("i", {}, make("span.unsure", {}, "unsure")), make("i", {}, make("span.fixed", {}, "corrected")));
    this.element = make(
      "footer.dock",
      { "aria-label": "Player" },
      this.spectrumBox,
      this.waveBox,
      make("div.transport", {}, skip(-5, "backward", "Back 5 seconds"), this.playButton, skip(5, "forward", "On 5 seconds"), this.time, make("span.spring"), this.legend, this.spectrumButton, this.speed),
    );
    this.waveBox.addEventListener("pointerdown", (event) => this.drag(event));
    this.waveBox.addEventListener("pointermove", (event) => event.buttons && this.drag(event));
    this.waveBox.addEventListener("keydown", (event) => this.keydown(event));
    this.wave = new Waveform(this.canvas);
    this.observer = new ResizeObserver(() => this.redraw());
    this.observer.observe(this.waveBox);
    this.showState();
  }

  // Once: what is asked for again, when a transcription is complete, only tells how long it is.
  async load(duration, tile) {
    this.setDuration(duration ?? 0);
    if (this.tile) return;
    this.tile = tile;
    this.audio.src = `/api/sessions/${this.id}/audio`;
    try {
      this.wave.setPeaks(await ask(`sessions/${this.id}/peaks`));
      this.draw();
    } catch {
      this.wave.setPeaks(null); // the text is there all the same
    }
  }

  fail() {
    if (this.audio.error && this.audio.src) this.playButton.disabled = true;
  }

  setDuration(seconds) {
    if (!Number.isFinite(seconds) || seconds <= 0) return;
    this.duration = seconds;
    this.waveBox.setAttribute("aria-valuemax", Math.round(seconds));
    this.showTime();
  }

  setSpeed() {
    this.audio.playbackRate = Number(this.speed.value);
  }

  get isPlaying() {
    return !this.audio.paused && !this.audio.ended;
  }

  async toggle() {
    if (this.isPlaying) this.audio.pause();
    else await this.play();
  }

  async play() {
    this.setSpeed();
    await this.audio.play().catch(() => this.fail());
  }

  seek(seconds, isPlaying = this.isPlaying) {
    this.audio.currentTime = Math.max(0, Math.min(seconds, this.duration || seconds));
    this.onSeek();
    this.tick();
    if (isPlaying) this.play();
  }

  begin() {
    this.showState();
    const frame = () => {
      this.tick();
      if (this.isPlaying && this.element.isConnected) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  tick() {
    this.onTime(this.audio.currentTime);
    this.showTime();
    this.draw();
  }

  showTime() {
    const now = this.audio.currentTime;
    const text = `${clock(now)} / ${clock(this.duration)}`;
    if (this.time.textContent === text) return;
    this.time.textContent = text;
    this.waveBox.setAttribute("aria-valuenow", Math.round(now));
    this.waveBox.setAttribute("aria-valuetext", clock(now));
  }

  showState() {
    const [name, label] = this.isPlaying ? ["pause", "Pause"] : ["play", "Play"];
    this.playButton.replaceChildren(icon(name));
    this.playButton.setAttribute("aria-label", label);
    this.playButton.title = label;
  }

  draw() {
    const now = this.audio.currentTime;
    this.wave.draw(now, this.duration);
    this.spectrum?.draw(now, this.duration);
  }

  // After a change of size or colours.
  redraw() {
    this.wave.around.forget();
    this.spectrum?.around.forget();
    this.draw();
  }

  drag(event) {
    const { left, width } = this.waveBox.getBoundingClientRect();
    this.seek(((event.clientX - left) / width) * this.duration);
    event.preventDefault();
    this.waveBox.focus({ preventScroll: true });
  }

  keydown(event) {
    const steps = { ArrowLeft: -5, ArrowRight: 5, PageDown: -30, PageUp: 30, Home: -Infinity, End: Infinity };
    if (event.key === " " || event.key === "Enter") this.toggle();
    else if (event.key in steps) this.seek(Math.max(0, Math.min(this.duration, this.audio.currentTime + steps[event.key])));
    else return;
    event.preventDefault();
  }

  toggleSpectrogram() {
    const isShown = this.spectrumBox.hidden;
    this.spectrumBox.hidden = !isShown;
    this.spectrumButton.setAttribute("aria-pressed", String(isShown));
    if (isShown && !this.spectrum) {
      const canvas = make("canvas", { role: "img", "aria-label": "Spectrogram around the position" });
      this.spectrumBox.append(canvas);
      this.spectrum = new Spectrogram(canvas, this.id, this.tile, () => this.draw());
      canvas.addEventListener("click", (event) => this.seek(this.spectrum.timeAt(event)));
      this.observer.observe(this.spectrumBox);
    }
    this.draw();
  }

  close() {
    this.observer.disconnect();
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
  }
}
