// What is made of the text, beside it: a summary of its own sentences, and a translation that comes line by line.

import { ApiError, ask, remember } from "./api.js";
import { clock, describe, fill, languageName, make } from "./dom.js";

const LENGTHS = [3, 5, 10, 20];

export class Panes {
  // play: called with seconds when a line is chosen.
  constructor(id, languages, play) {
    this.id = id;
    this.languages = languages;
    this.play = play;
    this.element = make("aside.side", { hidden: true });
    this.body = make("div", {});
    this.heading = make("h2", {});
    this.select = make("select.select", { onchange: () => this.load() });
    this.element.append(make("div.pane-head", {}, this.heading, this.select), this.body);
    this.name = null;
  }

  get hasTranslation() {
    return this.languages.length > 0;
  }

  // Shows a pane, or hides it if it is there.
  toggle(name) {
    this.name = this.name === name ? null : name;
    this.element.hidden = this.name === null;
    if (this.name === null) return this.request?.abort();
    const isSummary = name === "summary";
    this.heading.textContent = isSummary ? "Summary" : "Translation";
    this.element.setAttribute("aria-label", this.heading.textContent);
    this.select.setAttribute("aria-label", isSummary ? "Length" : "Language");
    const options = isSummary
      ? LENGTHS.map((value) => ({ value, text: `${value} sentences` }))
      : this.languages.map((value) => ({ value, text: languageName(value) }));
    const wished = remember(name);
    fill(this.select, options, options.some(({ value }) => String(value) === wished) ? wished : isSummary ? 5 : options[0].value);
    this.load();
  }

  async load() {
    this.request?.abort();
    const request = (this.request = new AbortController());
    remember(this.name, this.select.value);
    this.body.replaceChildren(make("p.pane-note", { role: "status" }, "One moment…"));
    try {
      if (this.name === "summary") await this.summarize(request.signal);
      else await this.translate(request.signal);
    } catch (error) {
      if (error.name !== "AbortError") this.note(describe(error));
    }
  }

  note(text) {
    this.body.replaceChildren(make("p.pane-note", { role: "status" }, text));
  }

  async summarize(signal) {
    const { sentences, num_sentences: total } = await ask(`sessions/${this.id}/summary?sentences=${this.select.value}`, { signal });
    if (!sentences.length) return this.note("There is nothing to summarize.");
    const list = make("ol", {}, ...sentences.map((sentence) => this.line(sentence)));
    this.body.replaceChildren(list, make("p.pane-note", {}, `${sentences.length} of ${total} sentences, as they were said.`));
  }

  async translate(signal) {
    const response = await fetch(`/api/sessions/${this.id}/translation?to=${this.select.value}`, { signal });
    if (!response.ok) throw new ApiError(response.status, (await response.json().catch(() => ({}))).error);
    const list = make("ol", { lang: this.select.value });
    this.body.replaceChildren(list);
    let rest = "";
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop();
      list.append(...lines.map((line) => this.line(JSON.parse(line))));
    }
    if (!list.childElementCount) this.note("There is nothing to translate.");
  }

  line({ text, problem, start, speaker }) {
    const words = text ?? `[${problem}]`;
    const button = make("button", { type: "button", title: "Play", onclick: () => start !== null && this.play(start) });
    if (start !== null) button.append(make("time", {}, [clock(start), speaker].filter(Boolean).join(" · ")));
    button.append(words);
    return make("li.pane-line", {}, button);
  }

  close() {
    this.request?.abort();
  }
}
