"use strict";
const data = JSON.parse(document.getElementById("findings").textContent);
const extras = JSON.parse(document.getElementById("extras").textContent);
const list = document.getElementById("list");
let unsaved = false;

function add(parent, name, text, kind) {
  const node = document.createElement(name);
  if (text) node.textContent = text;
  if (kind) node.className = kind;
  parent.append(node);
  return node;
}

const percent = value => Math.round(100 * value) + " %";

function figures(one) {
  const told = [];
  if (one.error_rate !== null) told.push("letters wrong " + percent(one.error_rate));
  if (one.confidence !== null) told.push("confidence " + percent(one.confidence));
  if (one.disagreement !== null) told.push("disagreement " + percent(one.disagreement));
  if (one.loss !== null) told.push("loss " + one.loss.toFixed(2));
  return told.join(", ");
}

function place(one) {
  const name = one.audio.split("/").slice(-2).join("/");
  const told = [name + (one.start ? " from " + one.start.toFixed(2) + " s" : "")];
  if (one.duration !== null) told.push(one.duration.toFixed(1) + " s");
  if (one.speaker !== null) told.push(one.speaker);
  return told.join(" · ");
}

function columns(parent, pairs) {
  const box = add(parent, "div", "", "columns");
  box.dir = "auto";
  const head = add(box, "span", "", "rows");
  add(head, "bdi", "text");
  add(head, "bdi", "heard");
  for (const [kind, reference, pieces] of pairs) {
    const column = add(box, "span", "", kind);
    add(column, "bdi", reference);
    const heard = add(column, "bdi");
    for (const [letters, isWrong] of pieces) add(heard, isWrong ? "b" : "span", letters);
  }
}

data.findings.forEach((one, position) => {
  const card = add(list, "article");
  add(card, "p", place(one), "place");
  const extra = extras[position];
  if (extra.source !== null) {
    const player = add(card, "audio");
    player.controls = true;
    // What lies in the page costs nothing to look at; a recording may be long, and far.
    player.preload = extra.source.startsWith("data:") ? "metadata" : "none";
    player.src = extra.source;
  }
  if (one.failure !== null) add(card, "p", "not recognized: " + one.failure, "failure");
  else if (!one.text) add(card, "p", "heard: " + one.heard);
  else columns(card, extra.columns);
  if (one.heard_otherwise !== null) add(card, "p", "the other heard: " + one.heard_otherwise);
  const text = add(card, "textarea");
  text.rows = 2;
  text.dir = "auto";
  text.value = one.corrected ?? one.text;
  text.setAttribute("aria-label", "what is said");
  const buttons = add(card, "div");
  const labels = {good: "good as it is", corrected: "correct text", defective: "defective"};
  const choices = Object.entries(labels).map(([name, label]) => [name, add(buttons, "button", label)]);
  add(buttons, "span", figures(one), "quiet");

  function show() {
    card.className = one.verdict ?? "";
    for (const [name, button] of choices) button.setAttribute("aria-pressed", one.verdict === name);
    const done = data.findings.filter(other => other.verdict).length;
    document.getElementById("count").textContent = done + " of " + data.findings.length;
  }
  function decide(name) {
    one.verdict = one.verdict === name ? null : name;
    one.corrected = one.verdict === "corrected" ? text.value : null;
    unsaved = true;
    show();
  }
  for (const [name, button] of choices)
    button.onclick = () => {
      decide(name);
      if (one.verdict === "corrected") text.focus();
    };
  text.oninput = () => {
    one.verdict = null;
    decide("corrected");
  };
  show();
});

document.getElementById("save").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(data, null, 1)], {type: "application/json"}));
  link.download = "verdicts.json";
  link.click();
  unsaved = false;
};
addEventListener("beforeunload", event => {
  if (unsaved) event.preventDefault();
});
