// The page's half of earshot.notebook.Recorder: microphone, sender, panel. Its other half is recorder.py, and
// protocol.py says what each message holds. Served as it is: no build step, nothing fetched from anywhere.

const SAMPLE_RATE = 16000; // Hz, what the kernel gets
const BATCH_MS = 200; // sound in one message
const WINDOW = 50; // batches on the way to the kernel that it has not acknowledged
const MAX_KEPT_MS = 30 * 60 * 1000; // sound kept in the page while the kernel is busy: 58 MB
const BUSY_MS = 4000; // without an answer for so long, the kernel is called busy
const RESEND_MS = 15000; // then the oldest batch goes out again: a connection may have come and gone
const QUIET = 0.0003; // RMS; a muted microphone gives less, a quiet room more
const QUIET_MS = 4000;
const METER_FLOOR = -60; // dBFS

// ---------------------------------------------------------------------------------------------- resampling

// Linear-phase band-limited interpolation: a Kaiser-windowed sinc (beta 8.96, 90 dB) whose stop band begins at
// half of the lower rate. Output sample m lies at m / target seconds of the input, so nothing is shifted.
// Plain source, since the audio thread gets it as text.
export function defineResampler() {
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

// Runs in the audio thread: mixes channels, resamples, and posts 50 ms at a time as 16-bit samples.
function captureProcessor(Resampler) {
  const BLOCK = 800;

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
}

// ---------------------------------------------------------------------------------------------- microphone

function microphoneProblem(error) {
  const name = error && error.name;
  if (name === "NotAllowedError" || name === "SecurityError") {
    return "The browser may not use the microphone. Allow it beside the page's address, then press Record.";
  }
  if (name === "NotFoundError" || name === "OverconstrainedError") {
    return "The browser finds no such microphone. Connect one, or choose another.";
  }
  if (name === "NotReadableError" || name === "AbortError") {
    return "The microphone does not start. Another program may be using it.";
  }
  return `The microphone cannot be used: ${(error && error.message) || error}.`;
}

function microphoneObstacle() {
  if (!globalThis.isSecureContext) {
    return "Browsers give the microphone to secure pages only. Open the notebook through https or localhost.";
  }
  if (!navigator.mediaDevices?.getUserMedia || !globalThis.AudioWorkletNode) {
    return "This page has no access to microphones. Open the notebook in a web browser.";
  }
  return null;
}

// A page or a device that is slow to wake may give a stream in which nothing ever comes; the next one has sound.
const UNHEARD_MS = 4000;

class Microphone {
  constructor(onBlock, onLost) {
    this.onBlock = onBlock;
    this.onLost = onLost;
    this.isClosed = false;
    this.hasHeard = false;
  }

  async open(deviceId) {
    const audio = {
      // The first two are made for calls: they blank out quiet words and distant speakers.
      echoCancellation: false,
      noiseSuppression: false,
      autoGainControl: true,
      channelCount: { ideal: 1 },
    };
    if (deviceId) audio.deviceId = { exact: deviceId };
    this.media = await navigator.mediaDevices.getUserMedia({ audio });
    this.timer = setTimeout(() => this.reopen(deviceId), UNHEARD_MS);
    try {
      if (this.isClosed) throw new DOMException("closed while opening", "AbortError");
      await this.connect();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  async reopen(deviceId) {
    if (this.isClosed || this.hasHeard) return;
    this.disconnect();
    await this.open(deviceId).catch((error) => this.onLost(microphoneProblem(error)));
  }

  async connect() {
    const [track] = this.media.getAudioTracks();
    this.label = track.label;
    track.addEventListener("ended", () => this.isClosed || this.onLost("The microphone was disconnected."));
    this.context = new AudioContext({ latencyHint: "interactive" });
    const source = `(${captureProcessor})((${defineResampler})())`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    try {
      await this.context.audioWorklet.addModule(url);
    } finally {
      URL.revokeObjectURL(url);
    }
    this.node = new AudioWorkletNode(this.context, "earshot-capture", { outputChannelCount: [1] });
    this.node.port.onmessage = ({ data }) => {
      this.hasHeard = true;
      if (data.isDone) this.onDone?.();
      else this.onBlock(data.samples);
    };
    this.context.createMediaStreamSource(this.media).connect(this.node);
    this.node.connect(this.context.destination); // it plays silence; unconnected nodes are not run everywhere
    // Some browsers pause the sound of a page (a call on a phone), and some start it paused.
    this.context.onstatechange = () => this.isClosed || this.context.resume().catch(() => {});
    await this.context.resume();
  }

  // Everything heard so far has been handed on when this resolves.
  async finish() {
    if (this.node && !this.isClosed) {
      await new Promise((resolve) => {
        this.onDone = resolve;
        this.node.port.postMessage("finish");
        setTimeout(resolve, 1000); // the audio thread of a suspended page may not answer
      });
    }
    this.close();
  }

  close() {
    this.isClosed = true;
    this.disconnect();
  }

  disconnect() {
    clearTimeout(this.timer);
    this.media?.getTracks().forEach((track) => track.stop());
    this.node?.disconnect();
    this.node = null; // it has nothing more to hand on
    if (!this.context || this.context.state === "closed") return;
    this.context.onstatechange = null;
    this.context.close().catch(() => {});
  }
}

// -------------------------------------------------------------------------------------------------- sender

// Numbered batches that are kept until the kernel has acknowledged them: none is lost while it is busy, or
// when the connection breaks for a while.
export class Sender {
  constructor(recording, send) {
    this.recording = recording;
    this.send = send;
    this.kept = []; // batches from `first` on
    this.first = 0;
    this.next = 0; // the next to send
    this.gathered = [];
    this.numGathered = 0;
    this.lastAnswer = performance.now();
    this.isKnown = false; // to the kernel
    this.isClosed = false;
  }

  get keptMs() {
    return this.kept.length * BATCH_MS;
  }

  get isComplete() {
    return this.isClosed && !this.kept.length;
  }

  add(samples) {
    if (this.isClosed) return;
    this.gathered.push(samples);
    this.numGathered += samples.length;
    if (this.numGathered >= (BATCH_MS * SAMPLE_RATE) / 1000) this.batch(false);
  }

  finish() {
    if (!this.isClosed) this.batch(true);
    this.isClosed = true;
  }

  batch(isLast) {
    const samples = new Int16Array(this.numGathered);
    let at = 0;
    for (const part of this.gathered) {
      samples.set(part, at);
      at += part.length;
    }
    this.gathered = [];
    this.numGathered = 0;
    if (!this.kept.length) this.lastAnswer = performance.now(); // nothing was being waited for
    this.kept.push({ samples, isLast });
    this.pump();
  }

  pump() {
    while (this.next < this.first + Math.min(this.kept.length, WINDOW)) this.sendOne(this.next++);
  }

  sendOne(sequence) {
    const { samples, isLast } = this.kept[sequence - this.first];
    const header = { type: "audio", recording: this.recording, sequence, is_last: isLast };
    this.send(header, [samples.buffer]);
  }

  // expected: the number of the batch that the kernel waits for; everything before has arrived.
  acknowledge(expected, isBehind) {
    if (!Number.isInteger(expected) || expected > this.first + this.kept.length) return;
    this.isKnown = true;
    this.lastAnswer = performance.now();
    if (expected > this.first) {
      this.kept.splice(0, expected - this.first);
      this.first = expected;
    }
    this.next = isBehind ? this.first : Math.max(this.next, this.first);
    this.pump();
  }

  // Called now and then; how long the kernel has not answered, in ms.
  check() {
    if (!this.kept.length) return 0;
    const waited = performance.now() - this.lastAnswer;
    if (waited - (this.resentAt ?? 0) > RESEND_MS && this.next > this.first) {
      this.resentAt = waited;
      this.sendOne(this.first);
    }
    if (waited < RESEND_MS) this.resentAt = 0;
    return waited;
  }
}

// ---------------------------------------------------------------------------------------------- controller

// One a widget, however many views it has: what the kernel said, and what the page itself knows.
export class Controller {
  constructor(model) {
    this.model = model;
    this.client = Math.random().toString(36).slice(2, 12);
    this.views = new Set();
    this.state = { status: "connecting", message: null, finals: [], partial: "", seconds: 0, ...model.get("_saved") };
    this.microphones = [];
    this.chosen = null; // the value of the microphone list; null until the kernel has said its wish
    this.notice = null; // said by this page, while the status stays
    this.level = 0;
    this.heardSeconds = 0;
    this.onMessage = (content, buffers) => this.receive(content, buffers);
    this.onDevices = () => this.listMicrophones();
    // Fired when the kernel restarts (not when the connection breaks for a while): the old one is gone for good,
    // unless it answers.
    this.onConnection = () => this.greet(true);
    this.onPageHide = () => this.microphone && this.leave();
    model.on("msg:custom", this.onMessage);
    model.on("comm_live_update", this.onConnection);
    navigator.mediaDevices?.addEventListener?.("devicechange", this.onDevices);
    globalThis.addEventListener("pagehide", this.onPageHide);
    this.timer = setInterval(() => this.tick(), 500);
    this.listMicrophones();
    this.greet();
  }

  dispose() {
    clearInterval(this.timer);
    clearTimeout(this.greeting);
    this.microphone?.close();
    this.microphone = this.sender = null;
    this.model.off("msg:custom", this.onMessage);
    this.model.off("comm_live_update", this.onConnection);
    navigator.mediaDevices?.removeEventListener?.("devicechange", this.onDevices);
    globalThis.removeEventListener("pagehide", this.onPageHide);
    this.isDisposed = true;
  }

  attach(element) {
    const view = new View(this, element);
    this.views.add(view);
    view.update();
    this.greet();
    return () => {
      view.dispose();
      this.views.delete(view);
      // A cell that is moved loses its view for a moment.
      if (!this.views.size && !this.isDisposed) setTimeout(() => this.views.size || this.leave(), 1000);
    };
  }

  send(content, buffers = []) {
    if (this.isDisposed) return;
    try {
      this.model.send(content, undefined, buffers);
    } catch {
      this.lose(); // no comm any more
    }
  }

  greet(isDoubtful = false) {
    if (this.isDisposed) return;
    clearTimeout(this.greeting);
    this.greeting = setTimeout(() => this.lose(isDoubtful), isDoubtful ? 2000 : 5000);
    this.send({ type: "hello", client: this.client });
  }

  lose(isCertain = false) {
    if (this.isDisposed || this.state.status === "lost") return;
    if (this.sender && !isCertain) return; // it waits by itself: the kernel may only be busy
    this.dropRecording();
    this.set({ status: "lost", partial: "" });
    this.say("info", "No kernel answers. Run the cell to record.");
  }

  // Nobody sees this widget any more: the microphone goes off, whatever becomes of the rest.
  leave() {
    if (this.isDisposed) return;
    this.microphone?.close();
    this.sender?.finish();
    this.microphone = null;
    this.send({ type: "bye", client: this.client });
  }

  set(changes) {
    const before = this.state.status;
    Object.assign(this.state, changes);
    const { status } = this.state;
    if (status !== before && !(before === "stopping" && status === "idle")) this.notice = null;
    this.views.forEach((view) => view.update());
  }

  // What this page alone knows; a kernel that repeats its own state does not take it away.
  say(kind, text) {
    this.notice = { kind, text };
    this.set({});
  }

  // ---- what the kernel says

  receive(content, buffers) {
    const known = this.handlers[content?.type];
    if (!known) return;
    clearTimeout(this.greeting);
    known.call(this, content, buffers);
  }

  handlers = {
    snapshot(content) {
      const { type, ...state } = content;
      if (this.chosen === null && state.source) this.chosen = state.source;
      // One that was sent before the kernel knew of our recording says nothing about it.
      if (this.sender?.isKnown && state.recording !== this.sender.recording) this.dropRecording();
      this.set({ seconds: 0, ...state });
      this.views.forEach((view) => view.showAll());
    },
    status(content) {
      const isAsking = this.state.status === "asking"; // known to this page alone
      if (content.message && content.message.text !== this.state.message?.text) this.notice = null; // older
      this.set({
        status: isAsking ? "asking" : content.status,
        message: isAsking ? null : content.message,
        seconds: content.seconds,
      });
      if (content.status === "idle") this.set({ partial: "" });
    },
    ended(content) {
      if (content.recording === this.sender?.recording) this.dropRecording();
    },
    final(content) {
      this.state.finals[content.index] = content.segment;
      this.set({ partial: "" });
      this.views.forEach((view) => view.showFinal(content.index));
    },
    partial(content) {
      this.set({ partial: content.text });
    },
    level(content) {
      this.hear(content.level, content.seconds);
    },
    ack(content) {
      if (content.recording === this.sender?.recording) {
        this.sender.acknowledge(content.expected, content.is_behind);
      }
    },
    start(content) {
      if (content.client === this.client && this.views.size) this.record();
    },
    stop(content) {
      if (content.recording === this.sender?.recording) this.stop();
    },
    pane(content) {
      this.state.panes[content.pane] = { ...this.state.panes[content.pane], ...content.changes };
      this.set({});
    },
    devices(content) {
      this.set({ devices: content.devices, devices_problem: content.problem });
    },
    document(content) {
      if (content.client === this.client) saveFile(content.name, content.text, content.media_type);
    },
  };

  // ---- what the user does

  get usesKernel() {
    return this.chosen?.startsWith("kernel:") ?? false;
  }

  async record() {
    if (!["idle"].includes(this.state.status) || this.microphone) return;
    this.heardSeconds = 0;
    this.quietSince = null;
    if (this.usesKernel) {
      this.set({ status: "starting", message: null });
      this.send({ type: "begin", client: this.client, source: this.chosen });
      return;
    }
    await this.recordHere();
  }

  async recordHere() {
    const obstacle = microphoneObstacle();
    if (obstacle) {
      this.say("error", obstacle);
      return;
    }
    const recording = `${this.client}-${Date.now().toString(36)}`;
    const sender = new Sender(recording, (content, buffers) => this.send(content, buffers));
    const microphone = new Microphone(
      (samples) => this.hearHere(sender, samples),
      // One that was given up meanwhile says nothing: another recording may be going on.
      (problem) => this.microphone === microphone && this.stop().then(() => this.say("error", problem)),
    );
    this.microphone = microphone;
    this.set({ status: "asking", message: null });
    try {
      this.pending = []; // sound may come before the kernel is told
      await microphone.open(this.chosen?.replace(/^browser:/, ""));
      if (this.microphone !== microphone) {
        microphone.close(); // given up meanwhile
        return;
      }
      this.sender = sender;
      this.send({
        type: "begin",
        client: this.client,
        source: "browser",
        recording,
        label: microphone.label || "microphone",
      });
      this.pending.forEach((samples) => sender.add(samples));
      this.pending = null;
      this.set({ status: "starting", message: null });
      this.listMicrophones(); // their names are told only after permission
    } catch (error) {
      if (this.microphone !== microphone) return;
      this.microphone = null;
      this.pending = null;
      this.set({ status: "idle" });
      this.say("error", microphoneProblem(error));
    }
  }

  async stop() {
    if (this.microphone) {
      const { microphone, sender } = this;
      this.microphone = null;
      this.set({ status: sender ? "stopping" : "idle", message: null });
      await microphone.finish();
      sender?.finish();
    } else if (["starting", "recording"].includes(this.state.status)) {
      this.set({ status: "stopping" });
      this.send({ type: "stop" });
    }
    this.level = 0;
    this.set({});
  }

  dropRecording() {
    this.microphone?.close();
    this.microphone = this.sender = null;
    this.level = 0;
  }

  hearHere(sender, samples) {
    if (this.pending) this.pending.push(samples);
    else sender.add(samples);
    let power = 0;
    for (const sample of samples) power += (sample / 32768) ** 2;
    this.hear(Math.sqrt(power / samples.length), this.heardSeconds + samples.length / SAMPLE_RATE);
    if (sender.keptMs > MAX_KEPT_MS) {
      this.stop().then(() => this.say("error", "The kernel has been busy for too long: recording has stopped."));
    }
  }

  // level: RMS of what was heard last, [0, 1].
  hear(level, seconds) {
    this.level = level;
    this.heardSeconds = seconds;
    const now = performance.now();
    this.quietSince = level < QUIET ? (this.quietSince ?? now) : null;
    this.views.forEach((view) => view.updateMeter());
  }

  tick() {
    if (!this.views.size) return;
    const waited = this.sender?.check() ?? 0;
    const isBusy = waited > BUSY_MS;
    const isQuiet = this.quietSince && performance.now() - this.quietSince > QUIET_MS;
    let hint = null;
    if (isBusy) hint = "The kernel is busy. Sound is kept and will be written down as soon as it answers.";
    else if (isQuiet && this.isRecording) hint = "Nothing is heard. Is the microphone muted, or another one meant?";
    if (hint !== this.hint) {
      this.hint = hint;
      this.set({});
    }
  }

  get isRecording() {
    return ["starting", "recording"].includes(this.state.status);
  }

  choose(value) {
    this.chosen = value;
    this.set({});
  }

  async listMicrophones() {
    try {
      const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
      this.microphones = devices.filter((device) => device.kind === "audioinput");
    } catch {
      this.microphones = [];
    }
    this.set({});
  }

  get text() {
    return this.state.finals.map((segment) => segment.text).join("\n");
  }
}

function saveFile(name, text, mediaType) {
  const url = URL.createObjectURL(new Blob([text], { type: mediaType }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages in frames and without https have no clipboard of the new kind.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    if (!isCopied) throw new Error("copying is not allowed here");
  }
}

// ---------------------------------------------------------------------------------------------------- view

// make("button.class", { attribute: value, onclick: … }, children …)
function make(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  element.className = classes.map((part) => `earshot-${part}`).join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const rest = `${Math.floor(whole / 60) % 60}:${two(whole % 60)}`;
  return hours ? `${hours}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}` : rest;
}

// Puts options into a list only when they have changed: an open list would close.
function fill(select, groups, chosen) {
  const key = JSON.stringify(groups);
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    select.replaceChildren(
      ...groups
        .filter((group) => group.options.length)
        .map(({ label, options }) => {
          const items = options.map(({ value, text }) => make("option", { value }, text));
          return label ? make("optgroup", { label }, ...items) : items;
        })
        .flat(),
    );
  }
  select.value = chosen ?? "";
  if (select.selectedIndex < 0 && select.options.length) select.selectedIndex = 0;
}

const STATUS = {
  connecting: "Connecting …",
  idle: "Ready.",
  asking: "Waiting for the microphone …",
  starting: "Starting …",
  recording: "Recording",
  stopping: "Writing down the last words …",
  lost: "No kernel.",
};

class View {
  constructor(controller, element) {
    this.controller = controller;
    this.build(element);
    this.showAll();
  }

  build(element) {
    const { controller } = this;
    this.record = make(
      "button.button.record",
      { type: "button", onclick: () => controller.record() },
      make("span.dot", { "aria-hidden": "true" }),
      "Record",
    );
    this.stop = make(
      "button.button.stop",
      { type: "button", onclick: () => controller.stop() },
      make("span.square", { "aria-hidden": "true" }),
      "Stop",
    );
    this.microphone = make("select.select", {
      "aria-label": "Microphone",
      onchange: () => controller.choose(this.microphone.value),
      onfocus: () => controller.send({ type: "devices" }),
    });
    this.engine = make("select.select", {
      "aria-label": "Engine",
      onchange: () => controller.send({ type: "choose", engine: this.engine.value, language: null }),
    });
    this.language = make("select.select", {
      "aria-label": "Language",
      onchange: () =>
        controller.send({ type: "choose", engine: this.engine.value, language: this.language.value || null }),
    });
    this.languageField = make("label.field", {}, make("span.caption", {}, "Language"), this.language);
    this.meterBar = make("span.bar");
    this.meter = make(
      "span.meter",
      {
        role: "meter",
        "aria-label": "Sound level in decibels",
        "aria-valuemin": METER_FLOOR,
        "aria-valuemax": 0,
        "aria-valuenow": METER_FLOOR,
      },
      this.meterBar,
    );
    this.time = make("span.time", { role: "timer", "aria-label": "Recorded time" }, "0:00");
    this.statusText = make("span");
    this.status = make("p.status", { role: "status" }, make("span.lamp", { "aria-hidden": "true" }), this.statusText);

    this.finals = make("div.finals", { role: "log", "aria-live": "polite", "aria-label": "Transcript" });
    this.partial = make("p.line.partial", { "aria-live": "off" });
    this.hint = make("p.empty", {}, "What is said appears here.");
    this.transcript = make(
      "div.transcript",
      { tabindex: 0, role: "region", "aria-label": "What was said" },
      this.hint,
      this.finals,
      this.partial,
    );

    this.copy = make("button.button.small", { type: "button", onclick: () => this.copyAll() }, "Copy");
    this.format = make("select.select.small", { "aria-label": "File format" });
    this.download = make("button.button.small", { type: "button", onclick: () => this.save() }, "Download");
    this.clear = make(
      "button.button.small",
      { type: "button", onclick: () => controller.send({ type: "clear" }) },
      "Clear",
    );
    this.panes = { summary: this.pane("summary", "Summary"), translation: this.pane("translation", "Translation") };
    this.target = make("select.select.small", {
      "aria-label": "Translate into",
      onchange: () =>
        controller.send({ type: "pane", pane: "translation", is_open: true, language: this.target.value }),
    });
    this.panes.translation.head.append(this.target);
    this.actions = make(
      "div.actions",
      {},
      this.panes.summary.toggle,
      this.panes.translation.toggle,
      make("span.spring"),
      this.copy,
      make("span.pair", {}, this.format, this.download),
      this.clear,
    );
    this.root = make(
      "section.recorder",
      { "aria-label": "Earshot recorder" },
      make(
        "div.controls",
        {},
        make("div.buttons", {}, this.record, this.stop),
        make("label.field", {}, make("span.caption", {}, "Microphone"), this.microphone),
        make("label.field", {}, make("span.caption", {}, "Engine"), this.engine),
        this.languageField,
        make("div.gauges", {}, this.meter, this.time),
      ),
      this.status,
      this.transcript,
      this.panes.summary.box,
      this.panes.translation.box,
      this.actions,
    );
    element.append(this.root);
  }

  pane(name, title) {
    const { controller } = this;
    const toggle = make(
      "button.button.small.toggle",
      {
        type: "button",
        "aria-pressed": "false",
        onclick: () => {
          const isOpen = !controller.state.panes?.[name]?.is_open;
          controller.send({ type: "pane", pane: name, is_open: isOpen, language: this.wishedLanguage(name) });
        },
      },
      title,
    );
    const caption = make("span.caption", {}, title);
    const head = make("div.head", {}, caption);
    const body = make("div.body", { "aria-live": "polite" });
    const box = make("div.pane", { role: "region", "aria-label": title, hidden: true }, head, body);
    return { toggle, head, caption, body, box };
  }

  // The reader's own language where it can be had, unless another was chosen.
  wishedLanguage(name) {
    const { languages = [], lines = [] } = this.controller.state.panes?.[name] ?? {};
    const own = navigator.languages.map((code) => code.split("-")[0]).find((code) => languages.includes(code));
    return lines.length ? null : (own ?? null);
  }

  dispose() {
    this.root.remove();
  }

  // ---- what has changed

  update() {
    const { controller } = this;
    const { state } = controller;
    const { status } = state;
    const isIdle = status === "idle";
    const isOn = ["asking", "starting", "recording"].includes(status);
    this.keepFocus(() => {
      this.record.disabled = !isIdle;
      this.stop.disabled = !isOn;
    });
    for (const select of [this.microphone, this.engine, this.language]) select.disabled = !isIdle;
    this.root.dataset.status = status;
    this.updateStatus();
    this.updateMicrophones();
    this.updateEngines();
    this.updatePartial();
    this.updatePanes();
    this.updateMeter();
    const isEmpty = !state.finals.length;
    this.hint.hidden = !isEmpty || Boolean(state.partial);
    this.copy.disabled = isEmpty;
    this.download.disabled = this.format.disabled = isEmpty || status === "lost";
    this.clear.disabled = !isIdle || isEmpty;
    fill(this.format, [{ options: (state.formats ?? []).map((value) => ({ value, text: value })) }], this.format.value);
  }

  // A button that is disabled under the keyboard's focus hands it to the other one.
  keepFocus(change) {
    const focused = this.root.contains(document.activeElement) ? document.activeElement : null;
    change();
    if (focused === this.record && this.record.disabled && !this.stop.disabled) this.stop.focus();
    if (focused === this.stop && this.stop.disabled) this.wantsFocus = true;
    if (this.wantsFocus && !this.record.disabled) {
      this.wantsFocus = false;
      if ([document.body, this.stop].includes(document.activeElement)) this.record.focus();
    }
  }

  updateStatus() {
    const { state, notice, hint } = this.controller;
    const said = notice ?? state.message ?? (hint ? { kind: "warning", text: hint } : null);
    const text = said ? said.text : (STATUS[state.status] ?? "");
    if (this.statusText.textContent !== text) this.statusText.textContent = text; // said aloud once
    this.status.dataset.kind = said?.kind ?? "info";
  }

  updateMicrophones() {
    const { controller } = this;
    const here = controller.microphones
      .filter((device) => device.deviceId && device.deviceId !== "default" && device.deviceId !== "communications")
      .map((device, i) => ({ value: `browser:${device.deviceId}`, text: device.label || `Microphone ${i + 1}` }));
    const there = (controller.state.devices ?? []).map(({ index, name }) => ({ value: `kernel:${index}`, text: name }));
    const groups = [
      { label: "This browser", options: [{ value: "browser:", text: "Default microphone" }, ...here] },
      { label: "The kernel's computer", options: there },
    ];
    fill(this.microphone, groups, controller.chosen ?? "browser:");
    this.microphone.title = this.microphone.selectedOptions[0]?.textContent ?? "";
  }

  updateEngines() {
    const { engines = [], engine = null, language = null } = this.controller.state;
    fill(this.engine, [{ options: engines.map(({ value, title }) => ({ value, text: title })) }], engine);
    const languages = engines.find(({ value }) => value === engine)?.languages ?? [];
    const options = languages.map((value) => ({ value, text: languageName(value) }));
    if (options.length > 1) options.unshift({ value: "", text: "Any" });
    fill(this.language, [{ options }], language);
    this.languageField.hidden = options.length < 2;
  }

  updatePartial() {
    const text = this.controller.state.partial ?? "";
    if (this.partial.textContent === text) return;
    this.scrolled(() => (this.partial.textContent = text));
  }

  updatePanes() {
    const panes = this.controller.state.panes ?? {};
    for (const [name, { toggle, body, box }] of Object.entries(this.panes)) {
      const { is_available: isAvailable = false, is_open: isOpen = false, lines = [], note = "" } = panes[name] ?? {};
      toggle.hidden = !isAvailable;
      toggle.setAttribute("aria-pressed", String(isOpen));
      box.hidden = !isAvailable || !isOpen;
      const shown = lines.length ? lines : [note];
      if (body.dataset.key !== JSON.stringify(shown)) {
        body.dataset.key = JSON.stringify(shown);
        const kind = lines.length ? "p" : "p.empty";
        body.replaceChildren(...shown.filter(Boolean).map((line) => make(kind, {}, line)));
        body.scrollTop = body.scrollHeight;
      }
    }
    const { languages = [], language = null } = panes.translation ?? {};
    fill(this.target, [{ options: languages.map((value) => ({ value, text: languageName(value) })) }], language);
    this.target.hidden = languages.length < 2;
    const isKnown = languages.length === 1;
    this.panes.translation.caption.textContent = isKnown ? `Translation: ${languageName(language)}` : "Translation";
  }

  updateMeter() {
    const { level, heardSeconds, isRecording, state } = this.controller;
    const decibels = level > 0 && isRecording ? Math.max(METER_FLOOR, 20 * Math.log10(level)) : METER_FLOOR;
    this.meterBar.style.clipPath = `inset(0 ${(100 * decibels) / METER_FLOOR}% 0 0)`;
    this.meter.setAttribute("aria-valuenow", Math.round(Math.min(0, decibels)));
    const seconds = clock((state.seconds ?? 0) + (isRecording ? heardSeconds : 0));
    if (this.time.textContent !== seconds) this.time.textContent = seconds;
  }

  showAll() {
    this.finals.replaceChildren();
    this.controller.state.finals.forEach((_, index) => this.showFinal(index));
    this.update();
  }

  showFinal(index) {
    const segment = this.controller.state.finals[index];
    if (!segment) return;
    const line = make("p.line", { "data-index": index });
    line.append(make("time.stamp", { datetime: `PT${Math.max(0, segment.start).toFixed(2)}S` }, clock(segment.start)));
    if (segment.speaker) line.append(make("b.speaker", {}, `${segment.speaker}: `));
    line.append(make("span.text", {}, segment.text));
    this.scrolled(() => {
      const old = this.finals.querySelector(`[data-index="${index}"]`);
      if (old) old.replaceWith(line);
      else this.finals.append(line);
    });
  }

  // Stays at the end if it was there, and where the reader is otherwise.
  scrolled(change) {
    const box = this.transcript;
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    change();
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  }

  async copyAll() {
    try {
      await copyText(this.controller.text);
      this.flash(this.copy, "Copied");
    } catch (error) {
      this.controller.say("error", `The text was not copied: ${error.message}.`);
    }
  }

  flash(button, text) {
    const before = button.textContent;
    button.textContent = text;
    setTimeout(() => (button.textContent = before), 1500);
  }

  save() {
    this.controller.send({ type: "export", client: this.controller.client, format: this.format.value });
  }
}

function languageName(code) {
  try {
    return new Intl.DisplayNames([document.documentElement.lang || "en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

export default () => {
  let controller;
  return {
    initialize({ model }) {
      controller = new Controller(model);
      return () => controller.dispose();
    },
    render({ el }) {
      return controller.attach(el);
    },
  };
};
