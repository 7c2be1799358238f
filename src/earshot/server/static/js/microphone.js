// The browser's microphone: 16 kHz, 16 bits, mono, a tenth of a second at a time.

export const SAMPLE_RATE = 16000;

function problem(error) {
  switch (error?.name) {
    case "NotAllowedError":
    case "SecurityError":
      return "The browser may not use the microphone. Allow it beside the page's address, then press Record.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "The browser finds no such microphone. Connect one, or choose another.";
    case "NotReadableError":
    case "AbortError":
      return "The microphone does not start. Another program may be using it.";
    default:
      return `The microphone cannot be used: ${error?.message || error}.`;
  }
}

export function obstacle() {
  if (!globalThis.isSecureContext) {
    return "Browsers give the microphone to secure pages only. Open this page through https or as localhost.";
  }
  if (!navigator.mediaDevices?.getUserMedia || !globalThis.AudioWorkletNode) {
    return "This browser gives pages no microphone.";
  }
  return null;
}

export async function listMicrophones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? [];
  return devices
    .filter(({ kind, deviceId, label }) => kind === "audioinput" && deviceId && deviceId !== "default" && label)
    .map(({ deviceId, label }) => ({ id: deviceId, label }));
}

export class Microphone {
  // onBlock: gets Int16Arrays; onLost: told why no more come.
  constructor(onBlock, onLost) {
    this.onBlock = onBlock;
    this.onLost = onLost;
    this.isClosed = false;
  }

  async open(deviceId) {
    const blocked = obstacle();
    if (blocked) throw new Error(blocked);
    const audio = {
      // The first two are made for calls: they blank out quiet words and distant speakers.
      echoCancellation: false,
      noiseSuppression: false,
      autoGainControl: true,
      channelCount: { ideal: 1 },
    };
    if (deviceId) audio.deviceId = { exact: deviceId };
    try {
      this.media = await navigator.mediaDevices.getUserMedia({ audio });
      await this.connect();
    } catch (error) {
      this.close();
      throw new Error(problem(error));
    }
  }

  async connect() {
    const [track] = this.media.getAudioTracks();
    this.label = track.label || "Microphone";
    track.addEventListener("ended", () => this.isClosed || this.onLost("The microphone was disconnected."));
    this.context = new AudioContext({ latencyHint: "interactive" });
    await this.context.audioWorklet.addModule("/static/js/capture-worklet.js");
    this.node = new AudioWorkletNode(this.context, "earshot-capture", { outputChannelCount: [1] });
    this.node.port.onmessage = ({ data }) => {
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
    this.media?.getTracks().forEach((track) => track.stop());
    this.node?.disconnect();
    if (this.context && this.context.state !== "closed") this.context.close().catch(() => {});
  }
}
