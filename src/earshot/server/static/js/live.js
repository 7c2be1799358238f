// A recording's connection. Blocks are numbered and kept until the server has them on its disk, so none is lost when
// the connection breaks, nor when the server itself dies and comes back: then a new session takes the blocks that
// are left. The messages are described in page_messages.py.

import { socketAddress } from "./api.js";

const MOST_KEPT = 30 * 60 * 10; // half an hour of blocks: 58 MB
const PING_MS = 20_000;
const PATIENCE_MS = 8000; // without any message for so long, the connection counts as broken

export class LiveConnection extends EventTarget {
  // begin: what to say first, without its type. Fires "ready", "event", "partial", "status", "away", "back",
  // "split" (a new session goes on), "error" and "ended".
  constructor(begin) {
    super();
    this.begin = begin;
    this.session = null;
    this.kept = []; // blocks from number `first` on
    this.first = 0;
    this.next = 0; // to send
    this.heard = 0; // events
    this.numBlocks = null; // once no more come
    this.isOver = false;
    this.wait = 300;
    this.connect();
    this.timer = setInterval(() => this.check(), 1000);
  }

  connect() {
    const socket = (this.socket = new WebSocket(socketAddress("live")));
    socket.binaryType = "arraybuffer";
    this.isReady = false;
    this.lastMessage = performance.now();
    socket.onopen = () => {
      const { session, key, heard } = this;
      this.say(session ? { type: "resume", session, key, heard } : { type: "begin", ...this.begin });
    };
    socket.onmessage = ({ data }) => {
      this.lastMessage = performance.now();
      if (socket === this.socket) this.receive(JSON.parse(data));
    };
    socket.onclose = () => socket === this.socket && this.lose();
  }

  receive(message) {
    switch (message.type) {
      case "ready":
        this.session = message.session;
        this.key = message.key;
        this.isReady = true;
        this.acknowledge(message.expected, true);
        if (this.isAway) this.tell("back");
        this.isAway = false;
        this.wait = 300;
        this.tell("ready", message);
        this.sayStop();
        break;
      case "ack":
        this.acknowledge(message.expected, message.is_behind);
        break;
      case "event":
        if (message.number !== this.heard) return; // told before
        this.heard += 1;
        if (message.kind === "ended") this.end(message);
        else this.tell("event", message);
        break;
      case "gone":
        this.split();
        break;
      case "taken":
        this.fail({ message: "another page has taken over this recording", fix: null });
        break;
      case "error":
        this.fail(message);
        break;
      default:
        this.tell(message.type, message);
    }
  }

  // The server does not know the session any more: it was started anew, and has recovered what was on its disk.
  split() {
    this.tell("split", this.session);
    this.session = null;
    this.heard = 0;
    if (this.numBlocks !== null) this.numBlocks -= this.first;
    this.first = this.next = 0;
    this.socket.onclose = null;
    this.socket.close();
    this.connect();
  }

  add(samples) {
    if (this.isOver || this.numBlocks !== null) return;
    this.kept.push(samples);
    if (this.kept.length > MOST_KEPT) {
      this.fail({ message: "the server has been away for half an hour", fix: "what it has is kept there" });
      return;
    }
    this.pump();
  }

  pump() {
    if (!this.isReady || this.socket.readyState !== WebSocket.OPEN) return;
    while (this.next < this.first + this.kept.length && this.socket.bufferedAmount < 1 << 20) {
      const samples = this.kept[this.next - this.first];
      const block = new Uint8Array(4 + samples.byteLength);
      new DataView(block.buffer).setUint32(0, this.next, true);
      block.set(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength), 4);
      this.socket.send(block);
      this.next += 1;
    }
  }

  acknowledge(expected, isBehind) {
    if (expected > this.first + this.kept.length) return;
    if (isBehind) this.next = Math.max(expected, this.first);
    else if (expected > this.first) {
      this.kept.splice(0, expected - this.first);
      this.first = expected;
      this.next = Math.max(this.next, expected);
    }
    this.pump();
  }

  // No more blocks come; "ended" follows when all is written down.
  finish() {
    this.numBlocks = this.first + this.kept.length;
    this.sayStop();
  }

  sayStop() {
    if (this.numBlocks !== null && this.isReady) this.say({ type: "stop", blocks: this.numBlocks });
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  check() {
    if (this.isReady && performance.now() - (this.pinged ?? 0) > PING_MS) {
      this.pinged = performance.now(); // where the server's sound card records, nothing else goes up
      this.say({ type: "ping" });
    }
    if (this.isReady && performance.now() - this.lastMessage > PATIENCE_MS) {
      this.socket.onclose = null;
      this.socket.close();
      this.lose();
    }
    this.pump();
  }

  lose() {
    if (this.isOver) return;
    if (!this.isAway && this.session) this.tell("away");
    if (!this.session && !this.isAway && !this.hadSession()) {
      this.fail({ message: "the server does not answer", fix: "see whether earshot serve still runs" });
      return;
    }
    this.isAway = true;
    this.isReady = false;
    this.wait = Math.min(5000, this.wait * 1.6);
    setTimeout(() => this.isOver || this.connect(), this.wait);
  }

  hadSession() {
    return this.session !== null || this.kept.length > 0;
  }

  end(message) {
    this.close();
    this.tell("ended", message);
  }

  fail(error) {
    this.close();
    this.tell("error", error);
  }

  close() {
    this.isOver = true;
    clearInterval(this.timer);
    this.socket.onclose = null;
    this.socket.close();
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
