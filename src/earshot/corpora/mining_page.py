"""What was mined as one page: listen, correct, mark as defective, and save the verdicts."""

from __future__ import annotations

import html
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Final
from urllib.parse import quote

from earshot.core.files import atomic_text
from earshot.corpora.mining import Finding, Findings

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
header { position: sticky; top: 0; background: Canvas; padding: .5rem 0; border-bottom: 1px solid #8888; }
article { border-bottom: 1px solid #8884; padding: 1rem 0; }
article.defective { opacity: .45; } article.good, article.corrected { background: #2a9d6f18; }
.heard { color: #b3424f; } .figures { color: #777; font-size: .85rem; }
* { box-sizing: border-box; } textarea { width: 100%; font: inherit; } audio { width: 100%; height: 2.2rem; }
button { font: inherit; margin-right: .5rem; } button[aria-pressed=true] { outline: 2px solid #2f5d8a; }
"""

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; media-src 'self' file:"
)
"""The page asks nothing of any network, whatever a text in it says."""

_SCRIPT: Final = """
const data = JSON.parse(document.getElementById("findings").textContent);
const list = document.getElementById("list");
let unsaved = false;
function add(parent, name, text, kind) {
  const node = document.createElement(name);
  if (text) node.textContent = text;
  if (kind) node.className = kind;
  parent.append(node);
  return node;
}
const percent = value => value === null ? "" : Math.round(100 * value) + " %";
data.findings.forEach((one, position) => {
  const card = add(list, "article");
  const player = add(card, "audio");
  player.controls = true; player.preload = "none"; player.src = sources[position];
  add(card, "p", "heard: " + one.heard, "heard");
  if (one.heard_otherwise !== null) add(card, "p", "or: " + one.heard_otherwise, "heard");
  const text = add(card, "textarea");
  text.rows = 2; text.value = one.corrected ?? one.text; text.setAttribute("aria-label", "what is said");
  const buttons = add(card, "p");
  const choices = ["good", "corrected", "defective"].map(name => [name, add(buttons, "button", name)]);
  add(buttons, "span", "errors " + percent(one.error_rate) +
    (one.confidence === null ? "" : ", confidence " + percent(one.confidence)), "figures");
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
  for (const [name, button] of choices) button.onclick = () => decide(name);
  text.oninput = () => { one.verdict = null; decide("corrected"); };
  show();
});
document.getElementById("save").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(data, null, 1)], {type: "application/json"}));
  link.download = "verdicts.json";
  link.click();
  unsaved = false;
};
addEventListener("beforeunload", event => { if (unsaved) event.preventDefault(); });
"""


def write_page(findings: Findings, path: Path) -> None:
    """Write a page that needs nothing but a browser; recordings are played from where they lie.

    Raises OutputError.
    """
    sources = [_address(finding, path.parent) for finding in findings.findings]
    title = f"{Path(findings.manifest).name}: where {findings.engine} stumbles"
    with atomic_text(path) as file:
        file.write(
            f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n'
            f"<h1>{html.escape(title)}</h1>\n"
            '<header><button id="save">Save verdicts.json</button><span id="count"></span> judged; then: '
            f"<code>earshot corpus mark {html.escape(findings.manifest)} verdicts.json -o NEW</code></header>\n"
            f'<main id="list"></main>\n<script type="application/json" id="findings">{_json(asdict(findings))}'
            f"</script>\n<script>const sources = {_json(sources)};\n{_SCRIPT}</script>\n</html>\n"
        )


def _address(finding: Finding, folder: Path) -> str:
    """Relative to the page where that can be; the fragment plays only the stretch (W3C Media Fragments)."""
    try:
        path = Path(os.path.relpath(finding.audio, folder)).as_posix()
    except ValueError:  # another drive of Windows
        return Path(finding.audio).absolute().as_uri()
    end = "" if finding.duration is None else f",{finding.start + finding.duration:.3f}"
    return f"{quote(path)}#t={finding.start:.3f}{end}"


def _json(value: object) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
