// A session: its head, its words, the panes beside them and the player below.

import { ask as question, choices, feed } from "./api.js";
import { ask, count, dayOf, describe, icon, lasting, make, menu, timeOf, toast } from "./dom.js";
import { changeSpeaker, WordEditor } from "./editor.js";
import { Panes } from "./panes.js";
import { Player } from "./player.js";
import { Rows } from "./rows.js";

const UNDER_WAY = ["recording", "waiting", "working"];
const FIRST = 60; // segments that are asked for first, so that there is something to read at once …
const NEXT = 10 * FIRST; // … and then, so that the page can breathe in between
const FOLLOW_AGAIN_MS = 4000; // after the reader has scrolled

export class TranscriptView {
  constructor(app, id, { at = null, query = "" } = {}) {
    this.app = app;
    this.id = id;
    this.wanted = at;
    this.query = query;
    this.scrolledAt = -Infinity;
    this.stop = new AbortController();
    this.element = make("article.transcript", { "aria-busy": "true" });
  }

  async open() {
    const { session, speakers, voices, languages, has_audio: hasAudio, so_far: soFar } = await question(`sessions/${this.id}`);
    this.session = session;
    this.build(languages, hasAudio);
    this.rows.speakers = speakers;
    this.known = voices; // names in the memory
    this.listen();
    choices().then(({ formats }) => (this.formats = formats), () => {});
    if (UNDER_WAY.includes(session.state)) {
      this.rows.append(soFar.map(asSegment));
      this.showState();
      if (session.kind === "upload") this.loadSound();
    } else {
      await this.load();
    }
    this.element.removeAttribute("aria-busy");
  }

  build(languages, hasAudio) {
    this.title = make("input.title", { "aria-label": "Title", maxlength: 200, spellcheck: false, onchange: () => this.rename() });
    this.title.addEventListener("keydown", (event) => event.key === "Enter" && this.title.blur());
    this.facts = make("div.facts", {});
    this.text = make("div.text", {
      tabindex: 0,
      role: "document",
      "aria-label": "Transcript",
      "aria-description": "Arrow keys go from word to word, Space plays, Enter corrects, S says who speaks.",
    });
    this.rows = new Rows(this.text);
    this.editor = new WordEditor(this.id, this.rows);
    if (this.session.language) this.text.lang = this.session.language;
    this.player = new Player(this.id, (seconds) => this.follow(seconds), () => (this.scrolledAt = -Infinity));
    this.player.element.hidden = !hasAudio;
    this.hasAudio = hasAudio;
    this.panes = new Panes(this.id, languages, (seconds) => this.player.seek(seconds, true));
    this.element.append(this.head(), this.text, this.panes.element, this.player.element);
    this.showFacts();
  }

  head() {
    const pane = (name, label) =>
      make("button.button.quiet", { type: "button", "data-pane": name, "aria-pressed": "false", onclick: () => this.togglePane(name) }, label);
    const exportButton = make("button.button.quiet", { type: "button" }, "Export");
    const moreButton = make("button.icon-button", { type: "button", "aria-label": "More", title: "More" }, icon("more"));
    this.paneButtons = [pane("summary", "Summary"), pane("translation", "Translation")];
    this.paneButtons[1].hidden = !this.panes.hasTranslation;
    return make(
      "header.head",
      {},
      make("a.icon-button.back", { href: "#/", "aria-label": "Back to the library" }, icon("back")),
      make("div.head-text", {}, make("h1.visually-hidden", {}, "Transcript"), this.title, this.facts),
      make("div.actions", {}, ...this.paneButtons, menu(exportButton, () => this.exports()), menu(moreButton, () => this.more())),
    );
  }

  // ---- content

  async load() {
    this.rows.clear();
    this.showState();
    const path = `sessions/${this.id}/segments`;
    const { signal } = this.stop;
    try {
      const { segments } = await question(`${path}?count=${FIRST}`, { signal });
      this.rows.append(segments);
      performance.mark("earshot-text");
      this.loadSound();
      for (let last = segments; last.length && last.length % FIRST === 0; ) {
        const first = this.rows.segments.length;
        ({ segments: last } = await question(`${path}?first=${first}&count=${NEXT}`, { signal }));
        this.rows.append(last);
      }
      performance.mark("earshot-text-whole");
      this.showState();
      if (this.wanted !== null) this.showPlace(this.wanted);
    } catch (error) {
      if (error.name !== "AbortError") toast(describe(error));
    }
  }

  async loadSound() {
    const { tile } = await choices().catch(() => ({}));
    if (this.hasAudio && tile) this.player.load(this.session.duration, tile);
  }

  showFacts() {
    const { title, created, duration, num_words: numWords, engine } = this.session;
    if (document.activeElement !== this.title) this.title.value = title;
    document.title = `${title} · Earshot`;
    const facts = [`${dayOf(created)}, ${timeOf(created)}`, lasting(duration), numWords && `${count(numWords)} words`, engine];
    this.facts.replaceChildren(...facts.filter(Boolean).map((fact) => make("span", {}, fact)));
  }

  showState() {
    this.text.querySelectorAll(".notice, .empty-text").forEach((box) => box.remove());
    const { state, problem } = this.session;
    const tell = (...children) => this.text.prepend(make("div.notice", { role: "status" }, ...children));
    if (state === "recording") tell("This is being recorded right now.");
    if (state === "waiting") tell("Other recordings come first; this one waits for its turn.");
    if (state === "working") {
      this.bar = make("progress", { max: 1, "aria-label": "Transcribed" });
      this.speed = make("span", {}, "Transcribing…");
      tell(this.speed, this.bar);
    }
    if (state === "failed") tell(problem ?? "It could not be transcribed.", this.againButton());
    if (state === "recovered") tell(problem ?? "This recording was cut off and has been recovered.");
    if (["ready", "recovered"].includes(state) && !this.rows.rows.length && !this.session.num_words) {
      this.text.append(make("p.empty-text", {}, "No words were heard in this recording."));
    }
  }

  againButton() {
    return make("button.button", { type: "button", onclick: () => this.again() }, "Transcribe again");
  }

  listen() {
    const on = (type, listener) =>
      feed.addEventListener(type, ({ detail }) => (!detail || detail.id === this.id || detail.session?.id === this.id) && listener(detail), { signal: this.stop.signal });
    on("session", ({ session }) => {
      const before = this.session;
      this.session = session;
      this.showFacts();
      if (UNDER_WAY.includes(before.state) && !UNDER_WAY.includes(session.state)) this.load();
      else if (before.state !== session.state) {
        if (session.state === "working") this.rows.clear();
        this.showState();
      } else if (before.num_words !== session.num_words) this.load();
    });
    on("deleted", () => this.app.go("#/"));
    on("progress", ({ seconds, total, speed }) => {
      if (!this.bar) return;
      if (total) this.bar.value = seconds / total;
      this.speed.textContent = `Transcribing, ${speed}× real time`;
    });
    on("segment", ({ index, segment }) => index === this.rows.segments.length && this.rows.append([asSegment(segment)]));
    on("word", ({ segment, word, ...change }) => this.rows.change(segment, word, change));
    on("speakers", ({ speakers }) => this.rows.setSpeakers(speakers));
    on("passages", ({ first, last, label, speakers }) => {
      for (let index = first; index <= Math.min(last, this.rows.segments.length - 1); index++) this.rows.segments[index].speaker = label;
      this.rows.speakers = speakers;
      const top = this.text.scrollTop;
      this.rows.rebuild();
      this.text.scrollTop = top;
    });
    on("refresh", () => this.load());
    const options = { signal: this.stop.signal };
    this.text.addEventListener("click", (event) => this.click(event), options);
    this.text.addEventListener("dblclick", (event) => this.doubleClick(event), options);
    this.text.addEventListener("keydown", (event) => this.keydown(event), options);
    for (const type of ["wheel", "touchmove"]) this.text.addEventListener(type, () => (this.scrolledAt = performance.now()), { ...options, passive: true });
    document.addEventListener("keydown", (event) => this.shortcut(event), options);
  }

  // ---- reading and playing

  click({ target, detail }) {
    const word = target.closest(".w");
    if (word) {
      if (detail < 2) this.playWord(word);
      return;
    }
    const row = this.rows.rows[Number(target.closest("[data-row]")?.dataset.row)];
    if (target.closest(".row-time")) this.player.seek(this.rows.segments[row.first].start, true);
    if (target.closest(".row-speaker")) this.changeSpeaker(row);
  }

  async changeSpeaker(row) {
    const name = await changeSpeaker(this.id, this.rows, row, { known: this.known, hasAudio: this.hasAudio });
    if (name && !this.known.includes(name)) this.known.push(name);
  }

  playWord(element) {
    const [segment, position] = Rows.place(element);
    this.setCurrent(element);
    if (!this.hasAudio) return;
    this.player.seek(this.rows.startOf(segment, position), true);
    this.rows.light(segment, position);
  }

  doubleClick(event) {
    const word = event.target.closest(".w");
    if (!word) return;
    event.preventDefault();
    getSelection()?.removeAllRanges();
    this.edit(word);
  }

  edit(word) {
    if (UNDER_WAY.includes(this.session.state)) return toast("Words can be corrected when all of it is transcribed.", 3);
    this.player.audio.pause();
    this.editor.open(word);
  }

  // One word can be reached by Tab; the arrows go on from there.
  setCurrent(element) {
    this.current?.setAttribute("tabindex", -1);
    this.current = element;
    element.setAttribute("tabindex", 0);
    element.focus({ preventScroll: true });
  }

  keydown(event) {
    const word = event.target.closest(".w");
    if (!word) {
      if (event.target === this.text && ["ArrowRight", "Enter"].includes(event.key)) {
        const first = this.rows.lit ?? (this.rows.segments.length ? [0, 0] : null);
        const element = first && this.rows.reach(...first);
        if (element) this.goTo(element, event);
      }
      return;
    }
    const place = Rows.place(word);
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      const next = this.rows.neighbour(...place, event.key === "ArrowRight" ? 1 : -1);
      const element = next && this.rows.reach(...next);
      if (element) this.goTo(element, event);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const row = this.rows.rows[this.rows.rowOf[place[0]].number + (event.key === "ArrowDown" ? 1 : -1)];
      const element = row && this.rows.reach(row.first, 0);
      if (element) this.goTo(element, event);
    } else if (event.key === " ") {
      event.preventDefault();
      event.stopPropagation();
      if (this.player.isPlaying) this.player.toggle();
      else this.playWord(word);
    } else if (event.key === "s" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.changeSpeaker(this.rows.rowOf[place[0]]);
    } else if (event.key === "Enter" || event.key === "F2") {
      event.preventDefault();
      this.edit(word);
    }
  }

  goTo(element, event) {
    event.preventDefault();
    this.setCurrent(element);
    this.scrolledAt = performance.now();
    element.scrollIntoView({ block: "nearest" });
  }

  shortcut(event) {
    if (event.key !== " " || event.defaultPrevented || !this.hasAudio) return;
    if (event.target.closest("input, textarea, select, button, a, dialog, .wave")) return;
    event.preventDefault();
    this.player.toggle();
  }

  // The word that is being said is lit, and stays in sight unless the reader looks elsewhere.
  follow(seconds) {
    const place = this.rows.at(seconds);
    if (!place) return this.rows.dim();
    const [segment, position] = place;
    if (this.rows.lit?.[0] === segment && this.rows.lit[1] === position && this.rows.litElement) return;
    const element = this.rows.light(segment, position);
    if (performance.now() - this.scrolledAt < FOLLOW_AGAIN_MS) return;
    const target = element ?? this.rows.rowOf[segment].element;
    const { top, bottom } = target.getBoundingClientRect();
    const box = this.text.getBoundingClientRect();
    const lowest = Math.min(box.bottom, innerHeight - 150) - 60;
    if (top < Math.max(0, box.top) + 40 || bottom > lowest) {
      (this.rows.reach(segment, position) ?? target).scrollIntoView({ block: "center" });
      this.rows.light(segment, position);
    }
  }

  showPlace(segment) {
    const row = this.rows.rowOf[segment];
    if (!row) return;
    this.rows.fill(row);
    const words = this.query.toLowerCase().split(/\s+/).filter(Boolean);
    const said = row.text.querySelectorAll(".w");
    const isFound = (element) => words.some((word) => plain(element.textContent).startsWith(plain(word)));
    const found = [...said].filter((element) => Rows.place(element)[0] === segment && isFound(element));
    found.forEach((element) => element.classList.add("found"));
    const target = found[0] ?? row.element;
    this.scrolledAt = performance.now();
    target.scrollIntoView({ block: "center" });
    if (this.hasAudio) {
      const start = found[0] ? this.rows.startOf(...Rows.place(found[0])) : this.rows.segments[segment].start;
      this.player.audio.addEventListener("loadedmetadata", () => this.player.seek(start, false), { once: true });
    }
  }

  // ---- what can be done

  togglePane(name) {
    this.panes.toggle(name);
    for (const button of this.paneButtons) button.setAttribute("aria-pressed", String(button.dataset.pane === this.panes.name));
  }

  exports() {
    const base = `/api/sessions/${this.id}/export/`;
    const original = make("input", { type: "checkbox" });
    original.checked = Boolean(this.isExportingOriginal);
    const links = (this.formats ?? []).map(({ name, summary, suffix }) =>
      make("a.menu-item", { href: base + name + (original.checked ? "?original=true" : ""), download: true, "data-format": name }, make("span", {}, summary[0].toUpperCase() + summary.slice(1)), make("small", {}, suffix)),
    );
    original.addEventListener("change", () => {
      this.isExportingOriginal = original.checked;
      for (const link of links) link.href = base + link.dataset.format + (original.checked ? "?original=true" : "");
    });
    return [...links, make("label.menu-check", {}, original, "As recognized, without corrections")];
  }

  more() {
    const item = (label, action) => make("button.menu-item", { type: "button", onclick: action }, make("span", {}, label));
    const items = [
      item(this.rows.isOriginal ? "Show corrections" : "Show what was recognized", () => this.rows.showOriginal(!this.rows.isOriginal)),
      item("Copy the text", () => this.copy()),
    ];
    if (this.hasAudio) {
      items.push(make("a.menu-item", { href: `/api/sessions/${this.id}/audio`, download: this.session.title }, make("span", {}, "Save the sound")));
      items.push(item("Transcribe again…", () => this.again()));
    }
    items.push(item("Delete…", () => this.remove()));
    return items;
  }

  async copy() {
    try {
      const text = this.rows.rows.map((row) => {
        const name = this.rows.speakers[this.rows.segments[row.first].speaker] ?? null;
        const parts = this.rows.segments.slice(row.first, row.last + 1).map((segment) => this.rows.textOf(segment));
        return (name ? `${name}: ` : "") + parts.join(" ");
      });
      await navigator.clipboard.writeText(text.join("\n\n"));
      toast("Copied.", 2);
    } catch (error) {
      toast(`The text was not copied: ${error.message}`);
    }
  }

  async rename() {
    const title = this.title.value.trim();
    if (!title) return this.showFacts();
    try {
      await question(`sessions/${this.id}`, { method: "PATCH", body: { title } });
    } catch (error) {
      toast(describe(error));
      this.showFacts();
    }
  }

  async again() {
    const { engine, language, diarize } = this.app.settings.chosen;
    const text = `The text is made anew with ${engine ?? "the default engine"}${diarize ? ", speakers are told apart" : ""}; corrections and speakers of this one are lost.`;
    const choice = await ask("Transcribe again?", [make("p", {}, text)], [["", "Cancel"], ["yes", "Transcribe again", "primary"]]);
    if (choice !== "yes") return;
    await question(`sessions/${this.id}/transcription`, { method: "POST", body: { engine, language, diarize } }).catch((error) => toast(describe(error)));
  }

  async remove() {
    const body = [make("p", {}, `“${this.session.title}”, its sound and its text will be gone from this computer for good.`)];
    const choice = await ask("Delete this session?", body, [["", "Cancel"], ["yes", "Delete", "primary"]]);
    if (choice !== "yes") return;
    try {
      await question(`sessions/${this.id}`, { method: "DELETE" });
      this.app.go("#/");
    } catch (error) {
      toast(describe(error));
    }
  }

  close() {
    this.stop.abort();
    this.editor?.close();
    this.player?.close();
    this.panes?.close();
    this.rows?.observer.disconnect();
  }
}

const plain = (text) => text.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]|^[^\p{L}\p{N}]+/gu, "");

// While a recording is in work its segments come as the engine tells them.
function asSegment({ text, start, end, speaker, words }) {
  const listed = words.length ? words : text.split(/\s+/).map((word) => ({ text: word }));
  return {
    text,
    start,
    end,
    speaker: speaker ?? null,
    words: listed.map((word) => [word.text, word.start ?? null, word.end ?? null, word.confidence ?? null, 0, null]),
  };
}
