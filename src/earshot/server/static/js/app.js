// The page as a whole: which view is shown, and what they share.

import { choices, feed, remember } from "./api.js";
import { AssistantView } from "./assistant.js";
import { describe, icon, toast } from "./dom.js";
import { Library } from "./library.js";
import { homeView, Recording, Settings } from "./recorder.js";
import { TranscriptView } from "./transcript.js";
import { Uploads } from "./uploads.js";

const THEMES = { system: ["half", "as the system"], light: ["sun", "light"], dark: ["moon", "dark"] };

class App {
  constructor() {
    this.root = document.getElementById("app");
    this.main = document.getElementById("main");
    this.settings = new Settings();
    this.library = new Library(document.getElementById("sessions"), document.getElementById("search"), this.root);
    this.uploads = new Uploads(this, document.getElementById("drop"));
    this.recording = null;
    this.view = null;
    this.startTheme();
    addEventListener("hashchange", () => this.route());
    addEventListener("beforeunload", (event) => this.recording && event.preventDefault());
    document.addEventListener("keydown", (event) => this.shortcut(event));
    this.route();
    feed.start();
    this.library.load().then(() => performance.mark("earshot-ready"));
    this.settings.load().catch((error) => toast(describe(error)));
    choices().then(({ assistant }) => (document.getElementById("assistant").hidden = !assistant), () => {}); // told above
  }

  go(hash) {
    if (location.hash === hash) this.route();
    else location.hash = hash;
  }

  get isHome() {
    return this.root.dataset.view === "home";
  }

  route() {
    if (this.recording) {
      // It is left by its button alone: a click beside it shall not cost a word.
      if (location.hash.length > 2) toast("A recording is running. Stop it first.", 3);
      history.replaceState(null, "", "#/");
      return;
    }
    const [path, query] = location.hash.replace(/^#/, "").split("?");
    const [, kind, id] = path.split("/");
    this.view?.close();
    this.view = null;
    if (kind === "s" && id) this.openSession(id, new URLSearchParams(query));
    else if (kind === "assistant") this.openAssistant();
    else this.openHome();
  }

  show(name, element) {
    this.root.dataset.view = name;
    this.main.replaceChildren(element);
    if (innerWidth <= 760) scrollTo(0, 0);
  }

  openHome() {
    document.title = "Earshot";
    this.library.setCurrent(null);
    this.show("home", homeView(this));
  }

  openAssistant() {
    document.title = "Assistant · Earshot";
    this.view = new AssistantView();
    this.library.setCurrent(null);
    this.root.removeAttribute("data-searching");
    this.show("assistant", this.view.element);
  }

  async openSession(id, query) {
    const at = query.has("at") ? Number(query.get("at")) : null;
    const view = (this.view = new TranscriptView(this, id, { at, query: query.get("q") ?? "" }));
    this.library.setCurrent(id);
    this.root.removeAttribute("data-searching");
    this.show("session", view.element);
    try {
      await view.open();
    } catch (error) {
      if (view !== this.view) return;
      toast(describe(error));
      this.go("#/");
    }
  }

  async record() {
    if (this.recording) return;
    this.view?.close();
    this.view = null;
    this.library.setCurrent(null);
    this.recording = new Recording(this);
    this.show("recording", this.recording.element);
    document.title = "● Recording · Earshot";
    await this.recording.start();
  }

  // A recording has ended; session: where it is now, null where there is none.
  recorded(session) {
    this.recording = null;
    if (session) this.go(`#/s/${session}`);
    else this.route();
  }

  shortcut(event) {
    if (event.target.closest("input, textarea, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") {
      event.preventDefault();
      document.getElementById("search").focus();
    }
    if (event.key === "r" && !this.recording) this.record();
  }

  // ---- light and dark

  startTheme() {
    this.themeButton = document.getElementById("theme");
    this.themeButton.addEventListener("click", () => {
      const names = Object.keys(THEMES);
      this.setTheme(names[(names.indexOf(this.theme) + 1) % names.length]);
    });
    this.setTheme(remember("theme") ?? "system");
  }

  setTheme(name) {
    this.theme = name in THEMES ? name : "system";
    remember("theme", this.theme);
    if (this.theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
    const [picture, wording] = THEMES[this.theme];
    this.themeButton.replaceChildren(icon(picture));
    this.themeButton.title = `Colours: ${wording}`;
    this.themeButton.setAttribute("aria-label", `Colours: ${wording}. Press to change.`);
    this.view?.player?.redraw();
  }
}

globalThis.earshot = new App();
