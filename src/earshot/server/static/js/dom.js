// Small helpers. Text always goes in as text: nothing here, and nothing else in this page, parses markup.

const ICONS = {
  microphone: ["M12 15a3.5 3.5 0 0 0 3.5-3.5v-5a3.5 3.5 0 0 0-7 0v5A3.5 3.5 0 0 0 12 15Z", "M5.5 11.5a6.5 6.5 0 0 0 13 0", "M12 18v3"],
  play: ["M8 5.5v13l10.5-6.5Z"],
  pause: ["M7 5h3.6v14H7ZM13.4 5H17v14h-3.6Z"],
  back: ["m14.5 6-6 6 6 6"],
  more: ["M5.5 12h.01M5.5 12h-.01", "M12 12h.01M12 12h-.01", "M18.5 12h.01M18.5 12h-.01"],
  export: ["M12 4v11", "m7.5 10.5 4.5 4.5 4.5-4.5", "M5 19.5h14"],
  sun: ["M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Z", "M12 2.5v1.5M12 20v1.5M2.5 12H4M20 12h1.5M5.3 5.3l1 1M17.7 17.7l1 1M18.7 5.3l-1 1M6.3 17.7l-1 1"],
  moon: ["M19.5 14.2A8 8 0 0 1 9.8 4.5a8 8 0 1 0 9.7 9.7Z"],
  half: ["M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16Z", "M12 4v16", "M12 8h6.9M12 12h8M12 16h6.9"],
  backward: ["M4.5 12a7.5 7.5 0 1 0 2.6-5.7", "M4.5 4v4.2h4.2"],
  forward: ["M19.5 12a7.5 7.5 0 1 1-2.6-5.7", "M19.5 4v4.2h-4.2"],
  spectrum: ["M4 19v-6M8 19V8M12 19V5M16 19v-8M20 19v-4"],
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const shape of ICONS[name]) {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", shape);
    svg.append(path);
  }
  return svg;
}

// make("button.primary", { type: "button", onclick }, "Text"): functions become listeners, true an empty attribute.
export function make(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag || "div");
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function fill(select, options, chosen) {
  const key = JSON.stringify([options, chosen]);
  if (select.dataset.key === key) return;
  select.dataset.key = key;
  select.replaceChildren(...options.map(({ value, text }) => make("option", { value }, text)));
  if (chosen != null) select.value = chosen;
}

// ------------------------------------------------------------------------------------------------- wording

export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const pad = (number) => String(number).padStart(2, "0");
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

export function lasting(seconds) {
  if (seconds == null) return "";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

const language = () => navigator.language || "en";

export function dayOf(created) {
  const date = new Date(created);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(created).setHours(0, 0, 0, 0)) / 864e5);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  const year = date.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString(language(), { weekday: "long", day: "numeric", month: "long", year });
}

export function timeOf(created) {
  return new Date(created).toLocaleTimeString(language(), { hour: "numeric", minute: "2-digit" });
}

export function languageName(code) {
  try {
    return new Intl.DisplayNames([language()], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

// Speakers have colours by the order of their appearance; the style sheet knows eight.
export const voiceNumber = (names, name) => Math.max(0, names.indexOf(name)) % 8;

export const count = (number) => number.toLocaleString(language());

// ------------------------------------------------------------------------------------------------ messages

export function toast(text, seconds = 6) {
  const box = make("div.toast", {}, text);
  document.getElementById("toasts").append(box);
  setTimeout(() => box.remove(), seconds * 1000);
}

// For those who hear the page: finals as they come, and what was done.
export function announce(text) {
  const region = document.getElementById("live-region");
  region.append(make("p", {}, text));
  while (region.childElementCount > 5) region.firstElementChild.remove();
}

export const describe = (error) => [error.message, error.fix].filter(Boolean).join(" – ");

// Asks in a dialog; resolves to the value of the button that was pressed, "" for Escape.
// body: elements; buttons: [value, text, kind]; the last one is what Enter does.
export function ask(title, body, buttons) {
  return new Promise((resolve) => {
    const form = make("form", { method: "dialog" });
    const dialog = make("dialog", { "aria-label": title }, form);
    const actions = buttons.map(([value, text, kind = ""]) =>
      make(`button.button${kind && `.${kind}`}`, { value, type: "submit" }, text),
    );
    form.append(make("h2", {}, title), ...body, make("div.dialog-actions", {}, ...actions));
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.target.tagName !== "INPUT") return;
      event.preventDefault();
      actions.at(-1).click();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// A button that opens a list below it; closes with Escape, a click elsewhere or a choice.
export function menu(button, items) {
  const list = make("div.menu-items", { hidden: true });
  const box = make("div.menu", {}, button, list);
  const set = (isOpen) => {
    if (isOpen) list.replaceChildren(...items());
    list.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) list.querySelector("button, a")?.focus({ preventScroll: true });
  };
  set(false);
  button.addEventListener("click", () => set(list.hidden));
  list.addEventListener("click", (event) => event.target.closest(".menu-item") && set(false));
  box.addEventListener("focusout", (event) => event.relatedTarget && !box.contains(event.relatedTarget) && set(false));
  document.addEventListener("pointerdown", (event) => box.isConnected && !box.contains(event.target) && set(false));
  box.addEventListener("keydown", (event) => {
    const entries = [...list.querySelectorAll("button, a, input")];
    const at = entries.indexOf(document.activeElement);
    if (event.key === "Escape" && !list.hidden) {
      set(false);
      button.focus();
      event.stopPropagation();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && entries.length && !list.hidden) {
      event.preventDefault();
      entries[(at + (event.key === "ArrowDown" ? 1 : entries.length - 1)) % entries.length].focus();
    }
  });
  return box;
}
