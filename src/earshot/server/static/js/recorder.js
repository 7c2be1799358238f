// The start page with its one large button, and the recording that it begins.

import { choices, remember } from "./api.js";
import { announce, clock, describe, fill, icon, languageName, make, toast, voiceNumber } from "./dom.js";
import { LiveConnection } from "./live.js";
import { listMicrophones, Microphone, SAMPLE_RATE } from "./microphone.js";

const QUIET = 0.0003; // RMS; a muted microphone gives less, a quiet room more
const QUIET_SECONDS = 4;
const FLOOR = -54; // dBFS, the foot of the level's bars
const NUM_BARS = 44;

// What to record with, chosen in three lists and remembered by the browser.
export class Settings {
  constructor() {
    this.microphone = make("select.select", { "aria-label": "Microphone", onchange: () => this.keep() });
    this.engine = make("select.select", { "aria-label": "Engine", onchange: () => this.keep() });
    this.language = make("select.select", { "aria-label": "Language", onchange: () => this.keep() });
    this.languageField = field("Language", this.language);
    this.speakers = make("input", { type: "checkbox", role: "switch", onchange: () => this.keep() });
    this.speakers.checked = remember("speakers") === "on";
    const speakersField = make("label.switch", { title: "Say who speaks; whoever you have named and remembered goes by name" }, this.speakers, make("span", {}, "Tell speakers apart"));
    this.engines = [];
    this.devices = [];
    this.elements = [field("Microphone", this.microphone), field("Engine", this.engine), this.languageField, speakersField];
    navigator.mediaDevices?.addEventListener?.("devicechange", () => this.showMicrophones());
  }

  async load() {
    const known = await choices();
    this.engines = known.engines;
    this.devices = known.devices;
    this.show();
    await this.showMicrophones();
  }

  show() {
    const names = this.engines.map(({ name }) => name);
    const wished = remember("engine");
    const engine = names.includes(wished) ? wished : names[0];
    fill(this.engine, names.map((value) => ({ value, text: value.replace("/", " · ") })), engine);
    const { languages = [], language = null } = this.engines.find(({ name }) => name === engine) ?? {};
    const options = languages.map((value) => ({ value, text: languageName(value) }));
    if (languages.length > 1) options.unshift({ value: "", text: "As spoken" });
    const chosen = languages.includes(remember("language")) ? remember("language") : (language ?? "");
    fill(this.language, options, chosen);
    this.languageField.hidden = languages.length < 2;
  }

  async showMicrophones() {
    const own = await listMicrophones();
    const options = [
      { value: "browser:", text: "This browser’s microphone" },
      ...own.map(({ id, label }) => ({ value: `browser:${id}`, text: label })),
      ...this.devices.map(({ index, name }) => ({ value: `device:${index}`, text: `${name} (server)` })),
    ];
    const wished = remember("microphone");
    const isThere = options.some(({ value }) => value === wished);
    fill(this.microphone, options, isThere ? wished : "browser:");
  }

  keep() {
    remember("microphone", this.microphone.value);
    remember("engine", this.engine.value);
    remember("language", this.language.value);
    remember("speakers", this.speakers.checked ? "on" : "off");
    this.show();
  }

  get chosen() {
    const [source, ...rest] = (this.microphone.value || "browser:").split(":");
    return {
      source,
      device: rest.join(":"),
      engine: this.engine.value || null,
      language: this.languageField.hidden ? null : this.language.value || null,
      diarize: this.speakers.checked,
    };
  }
}

const field = (caption, select) => make("label.field", {}, make("span", {}, caption), select);

export function homeView(app) {
  const button = make(
    "button.record-button",
    { type: "button", "aria-label": "Record", "aria-describedby": "record-label", onclick: () => app.record() },
    icon("microphone"),
  );
  const files = make("input", { type: "file", multiple: true, accept: "audio/*,video/*,.opus,.amr,.wma", "aria-label": "Open recordings" });
  files.addEventListener("change", () => {
    app.uploads.add([...files.files]);
    files.value = "";
  });
  return make(
    "section.home",
    { "aria-label": "Start" },
    make(
      "div.hero",
      {},
      make("h1", {}, "Speak, and read along."),
      make("p", {}, "Or drop a recording anywhere on this page. Speech becomes text on this computer, and stays there."),
      button,
      make("span.record-label", { id: "record-label" }, "Record"),
    ),
    make("div.home-tools", {}, ...app.settings.elements, make("label.button.file-button", {}, "Open a recording…", files)),
  );
}

// One recording, from the button to the last word.
export class Recording {
  constructor(app) {
    this.app = app;
    this.finals = []; // {element, speaker}
    this.voices = []; // speakers, in order of appearance
    this.numSamples = 0;
    this.quietFor = 0;
    this.levels = [];
    this.status = "starting";
    this.build();
  }

  build() {
    this.state = make("span.recording-state", {}, "Starting…");
    this.detail = make("span", {}, "");
    this.text = make("div.speech-text", {}, make("span.prompt", {}, "Speak whenever you like."));
    this.partial = make("span.partial", {});
    this.speech = make("div.speech", { tabindex: 0, "aria-label": "What is being said" }, this.text);
    this.time = make("span.clock", { role: "timer", "aria-label": "Time recorded" }, "0:00");
    this.stopButton = make("button.record-button.stop-button", { type: "button", "aria-label": "Stop", onclick: () => this.stop() }, make("i"));
    this.canvas = make("canvas", {});
    this.meter = make("div.levels", { role: "meter", "aria-label": "Level", "aria-valuemin": FLOOR, "aria-valuemax": 0, "aria-valuenow": FLOOR }, this.canvas);
    this.element = make(
      "section.recording",
      { "aria-label": "Recording", "data-status": "starting" },
      make("div.recording-head", {}, make("i.lamp", {}), this.state, this.detail),
      this.speech,
      make("div.console", {}, this.time, this.stopButton, this.meter),
    );
  }

  async start() {
    const { source, device, engine, language, diarize } = this.app.settings.chosen;
    const begin = { source, engine, language, diarize };
    try {
      if (source === "device") {
        begin.device = Number(device);
      } else {
        this.microphone = new Microphone((samples) => this.take(samples), (reason) => this.lost(reason));
        await this.microphone.open(device);
        begin.label = this.microphone.label.slice(0, 200);
        this.app.settings.showMicrophones(); // their names are known once one may be used
      }
    } catch (error) {
      this.leave(error.message);
      return;
    }
    if (this.isLeft) return this.microphone?.close();
    this.connect(begin);
    this.stopButton.focus({ preventScroll: true });
  }

  connect(begin) {
    const connection = (this.connection = new LiveConnection(begin));
    for (const samples of this.waiting ?? []) connection.add(samples);
    this.waiting = null;
    const on = (type, listener) => connection.addEventListener(type, ({ detail }) => listener(detail));
    on("ready", () => this.set(this.status === "stopping" ? "stopping" : "recording"));
    on("event", (event) => this.hear(event));
    on("partial", ({ text }) => this.showPartial(text));
    on("status", (status) => this.measure(status));
    on("away", () => this.set("away"));
    on("back", () => announce("The connection is back."));
    on("split", () => {
      toast("The server was started anew. What was said before is in the library; this recording goes on in a new one.", 10);
      this.finals = [];
      this.voices = [];
      this.text.replaceChildren(this.partial);
    });
    on("error", (error) => this.leave(describe(error)));
    on("ended", ({ session, problem }) => {
      if (problem) toast(problem, 10);
      this.leave(null, session);
    });
  }

  // ---- sound

  take(samples) {
    let peak = 0;
    let power = 0;
    for (const sample of samples) {
      peak = Math.max(peak, Math.abs(sample));
      power += sample * sample;
    }
    this.numSamples += samples.length;
    this.showLevel(peak / 32768);
    this.time.textContent = clock(this.numSamples / SAMPLE_RATE);
    const isQuiet = Math.sqrt(power / samples.length) / 32768 < QUIET;
    this.quietFor = isQuiet ? this.quietFor + samples.length / SAMPLE_RATE : 0;
    this.warn(this.quietFor > QUIET_SECONDS ? "No sound at all: is the microphone muted?" : null);
    if (this.connection) this.connection.add(samples);
    else (this.waiting ??= []).push(samples);
  }

  measure({ level, recorded, backlog }) {
    if (!this.microphone) {
      this.showLevel(level === null ? 0 : 10 ** (level / 20));
      this.time.textContent = clock(recorded);
    }
    const behind = backlog > 3 ? `${Math.round(backlog)} s behind` : "";
    if (this.detail.textContent !== behind) this.detail.textContent = behind;
  }

  showLevel(peak) {
    const decibels = peak > 0 ? Math.max(FLOOR, 20 * Math.log10(peak)) : FLOOR;
    this.levels.push(1 - decibels / FLOOR);
    if (this.levels.length > NUM_BARS) this.levels.shift();
    this.meter.setAttribute("aria-valuenow", Math.round(decibels));
    this.meter.dataset.level = decibels.toFixed(1);
    const { canvas } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
    if (!width) return;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.fillStyle = getComputedStyle(canvas).getPropertyValue("--accent");
    const step = width / NUM_BARS;
    this.levels.forEach((level, index) => {
      const bar = Math.max(2 * scale, level * height);
      context.globalAlpha = 0.35 + (0.65 * index) / this.levels.length;
      context.beginPath();
      context.roundRect(width - (this.levels.length - index) * step, (height - bar) / 2, step * 0.55, bar, step * 0.3);
      context.fill();
    });
  }

  // ---- text

  hear(event) {
    if (event.kind === "final") {
      const { text, speaker } = event.segment;
      const element = make("span.final", { "data-index": event.index }, `${text} `);
      this.finals[event.index] = { element, speaker: null };
      this.showPartial("");
      if (text) {
        this.scrolled(() => {
          this.text.querySelector(".prompt")?.remove();
          this.text.insertBefore(element, this.partial.parentNode === this.text ? this.partial : null);
          this.name(event.index, speaker);
        });
        announce(speaker ? `${speaker}: ${text}` : text);
      }
    } else if (event.kind === "words") {
      if (this.finals[event.index]) this.scrolled(() => this.name(event.index, event.segment.speaker)); // now and then it is known only later
    } else if (event.kind === "warning" && !(event.warning === "muted" && this.microphone)) {
      toast(event.text, 8);
    }
  }

  // Says who speaks, above the first words since somebody else did.
  name(index, speaker) {
    const final = this.finals[index];
    if (!speaker || final.speaker || !final.element.parentNode) return;
    final.speaker = speaker;
    if (!this.voices.includes(speaker)) this.voices.push(speaker);
    let before = null;
    for (const { element, speaker: who } of this.finals.filter(Boolean)) {
      const label = element.previousElementSibling?.matches(".voice-name") ? element.previousElementSibling : null;
      if (who && who !== before && !label) element.before(make("strong.voice-name", { "data-voice": voiceNumber(this.voices, who) }, who));
      if (who && who === before) label?.remove();
      before = who ?? before;
    }
  }

  showPartial(text) {
    if (this.partial.textContent === text && this.partial.parentNode) return;
    this.scrolled(() => {
      if (text) this.text.querySelector(".prompt")?.remove();
      this.partial.textContent = text;
      this.text.append(this.partial);
    });
  }

  // Stays at the end if it was there, and where the reader is otherwise.
  scrolled(change) {
    const box = this.speech;
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    change();
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  }

  warn(text) {
    if ((this.warning?.textContent ?? null) === text) return;
    this.warning?.remove();
    this.warning = text ? make("p.warning", { role: "alert" }, text) : null;
    if (this.warning) this.speech.append(this.warning);
  }

  set(status) {
    const WORDS = { recording: "Recording", stopping: "Writing down the last words…", away: "The server is away. Everything is kept here until it is back." };
    this.status = status;
    this.element.dataset.status = status;
    this.state.textContent = WORDS[status];
  }

  // ---- the end

  async stop() {
    if (this.status === "stopping" || this.isLeft) return;
    this.set("stopping");
    this.stopButton.disabled = true;
    await this.microphone?.finish();
    if (this.connection) this.connection.finish();
    else this.leave(null);
  }

  async lost(reason) {
    toast(reason, 10);
    await this.stop();
  }

  leave(problem, session = null) {
    if (this.isLeft) return;
    this.isLeft = true;
    this.microphone?.close();
    if (this.connection && !this.connection.isOver) this.connection.close();
    if (problem) toast(problem, 10);
    this.app.recorded(session);
  }
}
