// The remote of the assistant that runs on the server's computer: its state, what it heard and did, and orders to it.

import { socketAddress } from "./api.js";
import { describe, icon, make, toast } from "./dom.js";

const PHASES = { asleep: "Asleep", listening: "Listening", confirming: "Yes or no?", asking: "Waiting for an answer" };
const KINDS = {
  heard: "Heard",
  question: "Asks",
  done: "Done",
  failed: "Failed",
  refused: "Refused",
  cancelled: "Cancelled",
  "not-understood": "Not understood",
  dictation: "Dictation begins",
  dictated: "Typed",
  "dictation-over": "Dictation is over",
  timer: "Timer",
  said: "Says",
}; // what else there is shows in the state
const MOST_ROWS = 100;
const HELD_MS = 2000; // between signs of life while the button is held
const IDLE_MS = 60_000;
const UNKNOWN = { running: false, problem: "" };

export class AssistantView {
  constructor() {
    this.isHeld = false;
    this.waited = 0;
    this.build();
    this.showState(UNKNOWN);
    this.connect();
    this.pulse = setInterval(() => this.send({ do: "ping" }), IDLE_MS);
    this.onHidden = () => document.hidden && this.release();
    document.addEventListener("visibilitychange", this.onHidden);
  }

  build() {
    const button = (name, text, onclick) => make(`button.button${name}`, { type: "button", onclick }, text);
    this.state = make("p.assistant-state", { role: "status" }, "");
    this.notice = make("p.assistant-notice", { hidden: true });
    this.log = make("ol.assistant-log", { role: "log", tabindex: 0, "aria-label": "What was heard and done" });
    this.question = make("p.assistant-question", {});
    this.yes = button(".primary", "Yes", () => this.answer(true));
    this.no = button("", "No", () => this.answer(false));
    this.asked = make("div.assistant-asked", { hidden: true }, this.question, make("div.assistant-buttons", {}, this.no, this.yes));
    this.hold = make("button.button.primary.assistant-hold", { type: "button" }, icon("microphone"), "Hold to talk");
    this.toggle = button("", "Listen", () => this.send({ do: "toggle" }));
    this.cancel = button("", "Cancel", () => this.send({ do: "cancel" }));
    this.field = make("input.text-input", { type: "text", maxlength: 2000, autocomplete: "off", placeholder: "Or type an order", "aria-label": "An order" });
    this.sendButton = make("button.button", { type: "submit" }, "Send");
    const form = make("form.assistant-order", { onsubmit: (event) => this.say(event) }, this.field, this.sendButton);
    this.listenForHold();
    this.element = make(
      "section.assistant",
      { "aria-label": "Assistant" },
      make(
        "header.assistant-head",
        {},
        make("a.icon-button.back", { href: "#/", "aria-label": "Back to the library" }, icon("back")),
        make("h1", {}, "Assistant"),
        this.state,
      ),
      make("div.assistant-said", {}, this.notice, this.log),
      make("div.assistant-dock", {}, this.asked, make("div.assistant-buttons", {}, this.hold, this.toggle, this.cancel), form),
    );
  }

  // ---- the connection

  connect() {
    const socket = (this.socket = new WebSocket(socketAddress("assistant")));
    socket.onmessage = ({ data }) => this.receive(JSON.parse(data));
    socket.onclose = () => {
      if (this.isClosed) return;
      this.isHeld = false; // the server lets go of it by itself
      if (!this.refusal) this.showState({ running: false, problem: "the server is away" });
      this.waited = Math.min(10_000, (this.waited || 500) * 1.6);
      this.again = setTimeout(() => this.connect(), this.waited);
    };
  }

  receive(message) {
    if (message.type === "state") {
      this.waited = 0;
      this.refusal = false;
      this.showState(message);
    }
    if (message.type === "event") this.showEvent(message);
    if (message.type === "missed") this.socket.close();
    if (message.type === "error") this.showError(message);
  }

  send(request) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(request));
  }

  close() {
    this.isClosed = true;
    this.release();
    clearInterval(this.pulse);
    clearTimeout(this.again);
    document.removeEventListener("visibilitychange", this.onHidden);
    this.socket.close();
  }

  // ---- what it does

  showState(state) {
    const { running, phase, question, dictating, problem, fix } = state;
    this.current = state;
    this.element.dataset.phase = running ? phase : "";
    this.state.textContent = running ? (dictating && phase === "listening" ? "Taking dictation" : (PHASES[phase] ?? phase)) : "";
    this.notice.hidden = running || !problem;
    this.notice.textContent = this.notice.hidden ? "" : sentence(describe({ message: problem, fix }));
    this.question.textContent = question ?? "";
    this.asked.hidden = !question;
    this.yes.hidden = this.no.hidden = phase !== "confirming";
    this.field.placeholder = phase === "asking" ? "Or type the answer" : "Or type an order";
    this.toggle.setAttribute("aria-pressed", String(running && phase !== "asleep"));
    for (const control of [this.yes, this.no, this.hold, this.toggle, this.cancel, this.field, this.sendButton]) control.disabled = !running;
  }

  showEvent({ kind, text }) {
    if (!KINDS[kind]) return;
    const isAtEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 40;
    this.log.append(make("li", { "data-kind": kind }, make("span.caption", {}, KINDS[kind]), make("span", {}, text)));
    while (this.log.childElementCount > MOST_ROWS) this.log.firstElementChild.remove();
    if (isAtEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  showError(error) {
    if (this.current.running) {
      toast(describe(error));
      return;
    }
    this.refusal = true; // it stays readable while the connection is tried again
    this.showState({ running: false, problem: error.message, fix: error.fix });
  }

  // ---- orders

  answer(yes) {
    this.send({ do: "confirm", yes, question: this.current.question });
  }

  say(event) {
    event.preventDefault();
    const text = this.field.value.trim();
    if (!text || !this.current.running) return;
    this.send({ do: "say", text });
    this.field.value = "";
  }

  listenForHold() {
    const on = (type, listener) => this.hold.addEventListener(type, listener);
    const isKey = ({ key }) => key === " " || key === "Enter";
    on("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.hold.setPointerCapture(event.pointerId);
      this.push();
    });
    for (const type of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) on(type, () => this.release());
    on("keydown", (event) => {
      if (!isKey(event)) return;
      event.preventDefault();
      if (!event.repeat) this.push();
    });
    on("keyup", (event) => isKey(event) && this.release());
    on("contextmenu", (event) => event.preventDefault()); // a long touch is meant
  }

  push() {
    if (this.isHeld || this.hold.disabled) return;
    this.isHeld = true;
    this.send({ do: "push" });
    this.beat = setInterval(() => (this.isHeld ? this.send({ do: "ping" }) : clearInterval(this.beat)), HELD_MS);
    this.hold.setAttribute("aria-pressed", "true");
  }

  release() {
    clearInterval(this.beat);
    this.hold.removeAttribute("aria-pressed");
    if (!this.isHeld) return;
    this.isHeld = false;
    this.send({ do: "release" });
  }
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
