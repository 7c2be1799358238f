// What was said, as paragraphs of words. A transcript of three hours has 30,000 words: paragraphs far from the
// reader hold plain text, and become words with places of their own when they come near.

import { clock, make, voiceNumber } from "./dom.js";

const LONGEST = 80; // words of a paragraph
const PAUSE = 2.5; // seconds of silence that begin a new one
const UNSURE = 0.6; // confidence below which a word is marked
const NEAR = "900px 0px";
const BUDGET_MS = 4; // of a frame

// Fields of a word as the server sends it.
export const [TEXT, START, END, CONFIDENCE, VERSION, CORRECTION] = [0, 1, 2, 3, 4, 5];

export const shown = (word) => word[CORRECTION] ?? word[TEXT];

export class Rows {
  constructor(box) {
    this.box = box;
    this.segments = [];
    this.speakers = {};
    this.seen = new Set(); // labels
    this.rows = []; // {element, text, first, last, isFilled}
    this.rowOf = []; // by segment
    this.lit = null;
    this.isOriginal = false;
    this.waiting = new Set(); // rows that came near or went away
    this.frame = null;
    this.observer = new IntersectionObserver((entries) => entries.forEach((entry) => this.cross(entry)), { rootMargin: NEAR });
  }

  clear() {
    this.observer.disconnect();
    this.waiting.clear();
    this.segments = [];
    this.seen.clear();
    this.rows = [];
    this.rowOf = [];
    this.times = null;
    this.lit = null;
    this.box.querySelectorAll(".row").forEach((row) => row.remove());
  }

  // segments: in order; more may follow.
  append(segments) {
    const fragment = document.createDocumentFragment();
    let row = this.rows.at(-1) ?? null;
    for (const segment of segments) {
      const index = this.segments.push(segment) - 1;
      if (segment.speaker) this.seen.add(segment.speaker);
      if (!row || this.begins(row, segment)) {
        row = this.makeRow(index, segment);
        fragment.append(row.element);
      }
      row.last = index;
      row.numWords += segment.words.length;
      this.rowOf[index] = row;
      if (row.isFilled) this.empty(row);
      row.isStale = true;
    }
    for (const changed of this.rows) if (changed.isStale) this.write(changed);
    this.box.append(fragment);
    this.times = null;
  }

  begins(row, segment) {
    const before = this.segments[row.last];
    const isOther = (before.speaker ?? null) !== (segment.speaker ?? null);
    return isOther || segment.start - before.end > PAUSE || row.numWords + segment.words.length > LONGEST;
  }

  makeRow(first, segment) {
    const number = this.rows.length;
    const time = make("button.row-time", { type: "button", "data-row": number, tabindex: -1, title: "Play from here" }, clock(segment.start));
    const speaker = make("button.row-speaker", { type: "button", "data-row": number, tabindex: -1 });
    const text = make("div.row-text", {});
    const element = make("div.row", { "data-row": number }, time, make("div", {}, speaker, text));
    const row = { number, element, text, speaker, first, last: first, numWords: 0, isFilled: false };
    this.nameRow(row, segment.speaker);
    this.rows.push(row);
    this.observer.observe(element);
    return row;
  }

  nameRow(row, label) {
    const name = label === null || label === undefined ? null : (this.speakers[label] ?? label);
    row.speaker.textContent = name ?? "Who?";
    if (name === null) delete row.speaker.dataset.voice;
    else row.speaker.dataset.voice = voiceNumber(this.voices, name);
    row.speaker.classList.toggle("unknown", name === null);
    const before = this.rows[row.number - 1];
    row.speaker.classList.toggle("same", Boolean(before) && this.segments[before.first].speaker === label);
    row.speaker.setAttribute("aria-label", name === null ? "Say who speaks here" : `${name}: change who speaks`);
  }

  // The names, each once, in order of appearance; labels that come while a recording is in work follow.
  get voices() {
    const labels = [...Object.keys(this.speakers), ...this.seen];
    return [...new Set(labels.map((label) => this.speakers[label] ?? label))];
  }

  setSpeakers(speakers) {
    this.speakers = speakers;
    for (const row of this.rows) this.nameRow(row, this.segments[row.first].speaker);
  }

  // ---- words near, text far

  cross({ target, isIntersecting }) {
    const row = this.rows[Number(target.dataset.row)];
    if (!row || row.element !== target) return;
    row.isNear = isIntersecting;
    this.waiting.add(row);
    this.frame ??= requestAnimationFrame(() => this.work());
  }

  // A few paragraphs a frame: text and words look the same, so nobody sees the difference while scrolling fast.
  work() {
    this.frame = null;
    const end = performance.now() + BUDGET_MS;
    for (const row of this.waiting) {
      this.waiting.delete(row);
      if (row.isNear) this.fill(row);
      else if (row.isFilled && !row.element.contains(document.activeElement)) {
        this.empty(row);
        this.write(row);
      }
      if (performance.now() > end) break;
    }
    if (this.waiting.size) this.frame = requestAnimationFrame(() => this.work());
  }

  write(row) {
    row.isStale = false;
    if (row.isFilled) return;
    const parts = [];
    for (let index = row.first; index <= row.last; index++) parts.push(this.textOf(this.segments[index]));
    row.text.textContent = parts.join(" ");
  }

  textOf(segment) {
    const isChanged = !this.isOriginal && segment.words.some((word) => word[CORRECTION] !== null);
    return isChanged || !segment.text ? segment.words.map((word) => (this.isOriginal ? word[TEXT] : shown(word))).filter(Boolean).join(" ") : segment.text;
  }

  fill(row) {
    if (row.isFilled) return;
    row.isFilled = true;
    const content = document.createDocumentFragment();
    for (let index = row.first; index <= row.last; index++) {
      const segment = this.segments[index];
      let done = 0;
      segment.words.forEach((word, position) => {
        const at = segment.text.indexOf(word[TEXT], done);
        const between = at < 0 ? " " : segment.text.slice(done, at); // languages without spaces have none here
        if (position && between) content.append(between);
        if (at >= 0) done = at + word[TEXT].length;
        content.append(this.makeWord(index, position, word));
      });
      content.append(" ");
    }
    row.text.replaceChildren(content);
    if (this.lit && this.rowOf[this.lit[0]] === row) this.light(...this.lit);
  }

  empty(row) {
    row.isFilled = false;
    row.isStale = true;
  }

  makeWord(segment, position, word) {
    const element = document.createElement("span");
    element.setAttribute("data-at", `${segment}.${position}`);
    element.tabIndex = -1;
    this.dress(element, word);
    return element;
  }

  dress(element, word) {
    const correction = this.isOriginal ? null : word[CORRECTION];
    const isUnsure = correction === null && word[CONFIDENCE] !== null && word[CONFIDENCE] < UNSURE;
    const isLit = element === this.litElement;
    element.textContent = correction || word[TEXT];
    const kind = isUnsure ? " unsure" : correction === null ? "" : correction === "" ? " gone" : " fixed";
    element.className = `w${kind}${isLit ? " lit" : ""}`;
    if (isUnsure) element.title = `Unsure: ${Math.round(100 * word[CONFIDENCE])} %`;
    else if (correction !== null) element.title = correction === "" ? "Removed" : `Heard: ${word[TEXT]}`;
    else if (element.title) element.removeAttribute("title");
  }

  // A word has changed, here or on another page.
  change(segment, position, { correction, version }) {
    const word = this.segments[segment]?.words[position];
    if (!word || word[VERSION] > version) return;
    word[CORRECTION] = correction;
    word[VERSION] = version;
    const row = this.rowOf[segment];
    const element = row.isFilled && this.element(segment, position);
    if (element) this.dress(element, word);
    else this.write(row);
  }

  showOriginal(isOriginal) {
    this.isOriginal = isOriginal;
    for (const row of this.rows) {
      const wasFilled = row.isFilled;
      this.empty(row);
      if (wasFilled) this.fill(row);
      else this.write(row);
    }
  }

  // Where passages were given to another speaker the paragraphs are cut anew.
  rebuild() {
    const { segments, lit } = this;
    this.clear();
    this.append(segments);
    this.lit = lit;
  }

  // ---- finding

  element(segment, position) {
    return this.rowOf[segment]?.text.querySelector(`[data-at="${segment}.${position}"]`) ?? null;
  }

  static place(element) {
    const [segment, position] = element.dataset.at.split(".").map(Number);
    return [segment, position];
  }

  // Makes sure that the word is there as an element, and gives it.
  reach(segment, position) {
    const row = this.rowOf[segment];
    if (!row) return null;
    this.fill(row);
    return this.element(segment, position);
  }

  // The word that is being said at that time: its place, or null. One search in a list that is made once.
  at(seconds) {
    this.times ??= this.listTimes();
    const { starts, places } = this.times;
    let [low, high] = [0, starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= seconds) low = middle + 1;
      else high = middle;
    }
    return low ? places[low - 1] : null;
  }

  listTimes() {
    const [starts, places] = [[], []];
    this.segments.forEach((segment, index) =>
      segment.words.forEach((word, position) => {
        if (word[START] === null) return;
        starts.push(word[START]);
        places.push([index, position]);
      }),
    );
    return { starts, places };
  }

  startOf(segment, position) {
    const { words, start } = this.segments[segment];
    return words[position]?.[START] ?? start;
  }

  light(segment, position) {
    this.dim();
    this.lit = [segment, position];
    this.litElement = this.element(segment, position);
    this.litElement?.classList.add("lit");
    return this.litElement;
  }

  dim() {
    this.litElement?.classList.remove("lit");
    this.lit = this.litElement = null;
  }

  // The word before or after, over the borders of segments.
  neighbour(segment, position, step) {
    let next = position + step;
    while (this.segments[segment] && (next < 0 || next >= this.segments[segment].words.length)) {
      segment += step;
      next = step > 0 ? 0 : (this.segments[segment]?.words.length ?? 0) - 1;
    }
    return this.segments[segment] ? [segment, next] : null;
  }
}
