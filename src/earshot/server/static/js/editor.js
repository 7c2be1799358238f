// Correcting: a word in a small box beside it, and who speaks in a dialog. The original always stays beside.

import { ask as question } from "./api.js";
import { announce, ask, describe, make, toast } from "./dom.js";
import { CORRECTION, CONFIDENCE, Rows, shown, TEXT, VERSION } from "./rows.js";

export class WordEditor {
  constructor(id, rows) {
    this.id = id;
    this.rows = rows;
    this.box = null;
  }

  open(element) {
    this.close();
    const [segment, position] = Rows.place(element);
    const word = this.rows.segments[segment].words[position];
    this.word = word;
    this.place = [segment, position];
    this.version = word[VERSION];
    this.input = make("input.text-input", { type: "text", "aria-label": `Correct “${word[TEXT]}”`, spellcheck: true, autocomplete: "off", maxlength: 500 });
    this.input.value = shown(word);
    const unsure = word[CONFIDENCE] === null ? "" : ` · ${Math.round(100 * word[CONFIDENCE])} % sure`;
    const restore = make("button.button.quiet", { type: "button", onclick: () => this.save(null) }, "Restore");
    restore.hidden = word[CORRECTION] === null;
    const remove = make("button.button.quiet", { type: "button", onclick: () => this.save("") }, "Remove");
    remove.hidden = word[CORRECTION] === "";
    this.box = make(
      "form.editor",
      { role: "dialog", "aria-label": "Correct a word" },
      this.input,
      make("div.editor-heard", {}, `Heard: ${word[TEXT]}${unsure}`),
      make("div.editor-actions", {}, make("span", {}, remove, restore), make("button.button.primary", { type: "submit" }, "Save")),
    );
    this.box.addEventListener("submit", (event) => {
      event.preventDefault();
      this.save(this.input.value.trim());
    });
    this.box.addEventListener("keydown", (event) => event.key === "Escape" && this.close(true));
    this.box.addEventListener("focusout", ({ relatedTarget }) => this.box && !this.isSaving && relatedTarget && !this.box.contains(relatedTarget) && this.close());
    document.body.append(this.box);
    this.put(element);
    this.input.select();
    this.input.focus({ preventScroll: true });
  }

  put(element) {
    const word = element.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.box;
    const left = Math.max(12, Math.min(word.left - 14, innerWidth - width - 12));
    const isBelow = word.bottom + height + 16 < innerHeight || word.top < height + 16;
    this.box.style.left = `${left}px`;
    this.box.style.top = `${Math.max(8, Math.min(isBelow ? word.bottom + 8 : word.top - height - 8, innerHeight - height - 8))}px`;
  }

  close(isFocusing = false) {
    const { box } = this;
    this.box = null;
    box?.remove();
    if (isFocusing && this.place) this.rows.reach(...this.place)?.focus();
  }

  async save(text) {
    if (text === shown(this.word)) return this.close(true);
    if (text !== null && text === this.word[TEXT] && this.word[CORRECTION] === null) return this.close(true);
    this.isSaving = true;
    try {
      await this.put_(text, this.version);
    } finally {
      this.isSaving = false;
    }
    this.close(true);
  }

  async put_(text, version) {
    const [segment, position] = this.place;
    try {
      const word = await question(`sessions/${this.id}/segments/${segment}/words/${position}`, { method: "PUT", body: { text, version } });
      this.rows.change(segment, position, word);
      announce(text === null ? "Restored." : text === "" ? "Removed." : `Corrected to ${text}.`);
    } catch (error) {
      if (error.status === 409 && error.current) await this.settle(text, error.current);
      else toast(describe(error));
    }
  }

  // Somebody else changed the word meanwhile: both are shown, and one is chosen.
  async settle(mine, current) {
    const wording = (text, original) => (text === null ? original : text === "" ? "(removed)" : text);
    const theirs = wording(current.correction, current.text);
    this.rows.change(...this.place, current);
    const body = [
      make("p", {}, "It was changed on another page while you were writing."),
      make("p.field", {}, make("span", {}, "There"), make("b", {}, theirs)),
      make("p.field", {}, make("span", {}, "Yours"), make("b", {}, wording(mine, current.text))),
    ];
    const choice = await ask("Two versions of one word", body, [
      ["theirs", "Keep theirs"],
      ["mine", "Use mine", "primary"],
    ]);
    if (choice === "mine") await this.put_(mine, current.version);
  }
}

// Names the speaker of a paragraph: everywhere, or here alone. Where it is asked for, the voice is remembered, too;
// then its name is given. known: names of voices that are remembered already.
export async function changeSpeaker(id, rows, row, { known: remembered, hasAudio }) {
  const label = rows.segments[row.first].speaker ?? null;
  const name = label === null ? "" : (rows.speakers[label] ?? label);
  const known = [...new Set([...Object.values(rows.speakers), ...remembered])];
  const list = make("datalist", { id: "known-speakers" }, ...known.map((value) => make("option", { value })));
  const input = make("input.text-input", { type: "text", list: "known-speakers", maxlength: 200, autocomplete: "off", "aria-label": "Name" });
  input.value = name;
  const buttons = label === null ? [["", "Cancel"], ["rest", "From here on"], ["here", "Only here", "primary"]] : [["", "Cancel"], ["here", "Only here"], ["everywhere", "Rename everywhere", "primary"]];
  const voice = make("input", { type: "checkbox" });
  const explanation = "Recognize this voice from now on. A description of it, no sound, is kept on this computer; “earshot speakers forget” removes it.";
  const remembering = hasAudio ? make("label.dialog-check", {}, voice, make("span", {}, explanation)) : null;
  const body = [make("label.field", {}, make("span", {}, "Name"), input), list, remembering].filter(Boolean);
  const choice = await ask("Who speaks?", body, buttons);
  const wanted = input.value.trim();
  if (!choice) return null;
  try {
    let chosen = label;
    if (choice === "everywhere" && wanted) {
      if (wanted !== name) await question(`sessions/${id}/speakers`, { method: "PUT", body: { label, name: wanted } });
    } else {
      const last = choice === "rest" ? lastWithout(rows, row) : row.last;
      ({ label: chosen } = await question(`sessions/${id}/passages`, { method: "PUT", body: { first: row.first, last, name: wanted || null } }));
    }
    return voice.checked && wanted && chosen ? await rememberVoice(id, chosen) : null;
  } catch (error) {
    toast(describe(error), 10);
    return null;
  }
}

async function rememberVoice(id, label) {
  const { name, seconds, is_new: isNew } = await question(`sessions/${id}/voices`, { method: "POST", body: { label } });
  toast(isNew ? `${name} is known from now on, by ${Math.round(seconds)} s of speech.` : `${name} is known by ${Math.round(seconds)} s more.`);
  return name;
}

// From a paragraph on, as far as nobody has been named.
function lastWithout(rows, row) {
  let last = row.first;
  while (last + 1 < rows.segments.length && rows.segments[last + 1].speaker == null) last += 1;
  return last;
}
