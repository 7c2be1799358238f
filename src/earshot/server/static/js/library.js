// The list on the left: all sessions by day, or what a search found.

import { ask, feed } from "./api.js";
import { clock, dayOf, describe, lasting, make, timeOf, toast } from "./dom.js";

const PAGE = 200;
const STATES = { recording: "Recording", waiting: "Waiting", failed: "Failed", recovered: "Recovered" };

export class Library {
  constructor(list, input, app) {
    this.list = list;
    this.input = input;
    this.app = app;
    this.sessions = new Map(); // by id, the newest first
    this.progress = new Map();
    this.sending = new Map(); // uploads on their way: {name, share}
    this.current = null;
    input.addEventListener("input", () => this.searchSoon());
    input.addEventListener("keydown", (event) => this.keydown(event));
    list.addEventListener("keydown", (event) => this.keydown(event));
    list.addEventListener("scroll", () => this.more(), { passive: true });
    feed.addEventListener("session", ({ detail }) => this.put(detail.session));
    feed.addEventListener("deleted", ({ detail }) => this.sessions.delete(detail.id) && this.show());
    feed.addEventListener("progress", ({ detail }) => {
      this.progress.set(detail.id, detail);
      this.showProgress(detail);
    });
    feed.addEventListener("refresh", () => this.load());
  }

  async load() {
    try {
      const { sessions } = await ask(`sessions?limit=${PAGE}`);
      this.sessions = new Map(sessions.map((session) => [session.id, session]));
      this.isComplete = sessions.length < PAGE;
      this.show();
    } catch (error) {
      this.list.replaceChildren(make("p.nothing", {}, describe(error)));
    }
  }

  async more() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    if (this.isComplete || this.isLoading || this.query || scrollHeight - scrollTop - clientHeight > 600) return;
    this.isLoading = true;
    const last = [...this.sessions.keys()].at(-1);
    const { sessions } = await ask(`sessions?limit=${PAGE}&before=${last}`).catch(() => ({ sessions: [] }));
    for (const session of sessions) this.sessions.set(session.id, session);
    this.isComplete = sessions.length < PAGE;
    this.isLoading = false;
    this.show();
  }

  put(session) {
    const isNew = !this.sessions.has(session.id);
    this.sessions.set(session.id, session);
    if (session.state !== "working") this.progress.delete(session.id);
    if (isNew) {
      const sorted = [...this.sessions.values()].sort((a, b) => (a.created < b.created ? 1 : -1));
      this.sessions = new Map(sorted.map((entry) => [entry.id, entry]));
    }
    if (!this.query) this.show();
  }

  setCurrent(id) {
    this.current = id;
    for (const entry of this.list.querySelectorAll(".session")) this.mark(entry);
    this.list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  mark(entry) {
    if (entry.dataset.id === this.current) entry.setAttribute("aria-current", "page");
    else entry.removeAttribute("aria-current");
  }

  setSending(key, upload) {
    if (upload) this.sending.set(key, upload);
    else this.sending.delete(key);
    const bar = this.list.querySelector(`[data-sending="${key}"] progress`);
    if (upload && bar) bar.value = upload.share;
    else if (!this.query) this.show();
  }

  // ---- all

  show() {
    if (this.query) return;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    const children = [...this.sending].map(([key, upload]) => this.sendingEntry(key, upload));
    let day = null;
    for (const session of this.sessions.values()) {
      if (dayOf(session.created) !== day) {
        day = dayOf(session.created);
        children.push(make("h2.day", {}, day));
      }
      children.push(this.entry(session));
    }
    if (!children.length) {
      children.push(make("p.nothing", {}, "What you record or drop here is kept on this computer, and can be searched."));
    }
    this.list.replaceChildren(...children);
    if (focused) this.list.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  entry(session) {
    const meta = make("span.session-meta", {}, make("time", { datetime: session.created }, timeOf(session.created)));
    if (session.duration) meta.append(make("span", {}, lasting(session.duration)));
    if (STATES[session.state]) meta.append(make("span.state", {}, STATES[session.state]));
    const entry = make("a.session", { href: `#/s/${session.id}`, "data-id": session.id }, make("span.session-title", {}, session.title));
    const excerpt = session.state === "failed" ? session.problem : session.excerpt;
    if (excerpt && !excerpt.startsWith(session.title.replace(/…$/, ""))) entry.append(make("span.session-excerpt", {}, excerpt));
    entry.append(meta);
    if (session.state === "working") {
      meta.append(make("span.state", { "data-speed": true }, "Transcribing"));
      entry.append(make("progress", { max: 1, "aria-label": "Transcribed" }));
      if (this.progress.has(session.id)) this.showProgress(this.progress.get(session.id), entry);
    }
    this.mark(entry);
    return entry;
  }

  sendingEntry(key, { name, share }) {
    return make(
      "div.session",
      { "data-sending": key },
      make("span.session-title", {}, name),
      make("span.session-meta", {}, make("span.state", {}, "Sending")),
      make("progress", { max: 1, value: share, "aria-label": `Sending ${name}` }),
    );
  }

  showProgress({ id, seconds, total, speed }, entry = this.list.querySelector(`[data-id="${CSS.escape(id)}"]`)) {
    const bar = entry?.querySelector("progress");
    if (!bar) return;
    if (total) bar.value = Math.min(1, seconds / total);
    const label = entry.querySelector("[data-speed]");
    if (label && seconds > 0) label.textContent = `${Math.round((100 * seconds) / (total || seconds))} % · ${speed}× real time`;
  }

  // ---- search

  searchSoon() {
    clearTimeout(this.timer);
    this.query = this.input.value.trim();
    this.app.toggleAttribute("data-searching", Boolean(this.query));
    if (!this.query) this.show();
    else this.timer = setTimeout(() => this.search(), 120);
  }

  async search() {
    this.request?.abort();
    this.request = new AbortController();
    const query = this.query;
    try {
      const { hits } = await ask(`search?q=${encodeURIComponent(query)}`, { signal: this.request.signal });
      if (query === this.query) this.showHits(hits);
    } catch (error) {
      if (error.name !== "AbortError") toast(describe(error));
    }
  }

  showHits(hits) {
    const places = hits.length === 1 ? "1 place" : `${hits.length} places`;
    const head = make("h2.day", { role: "status" }, hits.length ? places : `Nothing was said about “${this.query}”.`);
    this.list.replaceChildren(head, ...hits.map((hit) => this.hitEntry(hit)));
  }

  hitEntry({ session, snippet, segment, start }) {
    const words = this.query.split(/\s+/).join(" ");
    const place = segment === null ? "" : `?at=${segment}&q=${encodeURIComponent(words)}`;
    const entry = make("a.session", { href: `#/s/${session.id}${place}`, "data-id": session.id });
    if (segment === null) entry.append(make("span.session-title", {}, ...marked(snippet)));
    else entry.append(make("span.session-title", {}, session.title), make("span.session-excerpt", {}, ...marked(snippet)));
    const meta = make("span.session-meta", {}, make("span", {}, dayOf(session.created)));
    if (start !== null) meta.append(make("span", {}, clock(start)));
    entry.append(meta);
    this.mark(entry);
    return entry;
  }

  keydown(event) {
    if (event.key === "Escape" && this.input.value) {
      this.input.value = "";
      this.searchSoon();
      this.input.focus();
    }
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const entries = [...this.list.querySelectorAll("a.session")];
    const at = entries.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
    event.preventDefault();
    if (at < 0) this.input.focus();
    else entries[Math.min(at, entries.length - 1)]?.focus();
  }
}

// Matches stand between the characters 2 and 3; all of it is text.
function marked(snippet) {
  return snippet.split(/[\x02\x03]/).map((part, index) => (index % 2 ? make("mark", {}, part) : part));
}
