// The page of a meeting. All that comes from people goes through textContent; nothing is asked of a network.
"use strict";
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const data = JSON.parse(one("#data").textContent);
  const audio = one("#sound");
  const spans = all(".words span");
  const [starts, ends] = [data.words.map((word) => word[0]), data.words.map((word) => word[1])];
  const places = new Map(spans.map((span, index) => [span, index]));
  const byTime = starts.map((_, index) => index).sort((a, b) => starts[a] - starts[b] || a - b);
  const clock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    const pair = (value) => String(value).padStart(2, "0");
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    return hours ? `${hours}:${pair(minutes)}:${pair(whole % 60)}` : `${minutes}:${pair(whole % 60)}`;
  };

  // --- what the reader changes is kept in this browser ---------------------------------------------------
  const key = `earshot-meeting-${data.id}`;
  const kept = { names: {}, done: {} };
  try {
    const found = JSON.parse(localStorage.getItem(key) ?? "{}");
    for (const part of ["names", "done"]) {
      if (found[part] && typeof found[part] === "object") Object.assign(kept[part], found[part]);
    }
  } catch { /* a browser that keeps nothing */ }
  const keep = () => {
    try { localStorage.setItem(key, JSON.stringify(kept)); } catch { /* as above */ }
  };

  // --- names ---------------------------------------------------------------------------------------------
  const nameOf = (person) => {
    const own = kept.names[person];
    return typeof own === "string" && own ? own : data.people[person];
  };
  const initials = (name) => {
    const parts = name.split(/\s+/u).filter(Boolean);
    const number = /^Speaker (\d+)$/u.exec(name);
    if (number) return number[1];
    return parts.slice(0, 2).map((part) => [...part][0]).join("").toLocaleUpperCase();
  };
  const showNames = () => {
    for (const element of all("[data-person]")) {
      const name = nameOf(Number(element.dataset.person));
      element.textContent = element.classList.contains("badge") ? initials(name) : name;
      if (element.matches(".lanes .who")) element.title = name;
    }
  };
  const rename = (button) => {
    const person = Number(button.dataset.rename);
    const shown = one(`.people .who[data-person="${person}"]`);
    if (!shown || one("input", shown.parentElement)) return;
    const input = document.createElement("input");
    input.value = nameOf(person);
    input.maxLength = 80;
    input.setAttribute("aria-label", "Name");
    shown.hidden = true;
    shown.after(input);
    let isOver = false;
    const end = (isTaken) => {
      if (isOver) return;
      isOver = true;
      const name = input.value.replace(/\s+/gu, " ").trim();
      if (isTaken && name) {
        if (name === data.people[person]) delete kept.names[person];
        else kept.names[person] = name;
        keep();
      }
      input.remove();
      shown.hidden = false;
      showNames();
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" || event.key === "Escape") {
        event.preventDefault(); // else Enter would press the button that is focused next
        end(event.key === "Enter");
        button.focus();
      }
    });
    input.addEventListener("blur", () => end(true));
    input.focus();
    input.select();
  };
  for (const button of all("[data-rename]")) button.addEventListener("click", () => rename(button));

  // --- action items ----------------------------------------------------------------------------------------
  for (const box of all(".actions input")) {
    const show = () => box.closest("li").classList.toggle("is-done", box.checked);
    box.checked = kept.done[box.dataset.item] === true;
    show();
    box.addEventListener("change", () => {
      kept.done[box.dataset.item] = box.checked;
      keep();
      show();
    });
  }

  // --- the player ------------------------------------------------------------------------------------------
  const player = one(".player");
  const head = one(".head");
  const seek = one(".seek");
  const playButton = one(".play");
  const follow = one("#follow");
  const total = () => (Number.isFinite(audio?.duration) ? audio.duration : data.duration);
  let lit = null;
  let lastScroll = 0;
  const wordAt = (time) => {
    let [low, high] = [0, byTime.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[byTime[middle]] <= time + 0.02) low = middle + 1;
      else high = middle;
    }
    for (let place = low - 1; place >= Math.max(0, low - 4); place--) {
      if (ends[byTime[place]] + 0.15 > time) return spans[byTime[place]];
    }
    return null;
  };
  const light = (span) => {
    if (span === lit) return;
    lit?.classList.remove("lit");
    lit?.removeAttribute("aria-current");
    lit = span;
    if (!span) return;
    span.classList.add("lit");
    span.setAttribute("aria-current", "true");
    if (!follow?.checked || performance.now() - lastScroll < 4000) return;
    const box = span.getBoundingClientRect();
    const bottom = innerHeight - (player?.offsetHeight ?? 0) - 20;
    if (box.top < 10 || box.bottom > bottom) span.scrollIntoView({ block: "center" });
  };
  const showTime = () => {
    const now = audio.currentTime;
    const whole = total();
    if (head) head.style.left = `${(100 * Math.min(now, whole)) / (whole || 1)}%`;
    if (seek && document.activeElement !== seek) seek.value = String(now);
    one(".clock").textContent = `${clock(now)} / ${clock(whole)}`;
    light(audio.paused && now === 0 ? null : wordAt(now));
  };
  const tick = () => {
    showTime();
    if (!audio.paused) requestAnimationFrame(tick);
  };
  const go = (time, plays = true) => {
    if (!audio) return;
    audio.currentTime = Math.max(0, Math.min(time, total()));
    showTime();
    if (plays) audio.play().catch(() => {});
  };
  const toggle = () => (audio.paused ? audio.play().catch(() => {}) : audio.pause());
  if (audio) {
    document.body.classList.add("has-sound");
    audio.controls = false;
    one(".controls").hidden = false;
    seek.max = String(data.duration);
    audio.addEventListener("loadedmetadata", () => { seek.max = String(total()); showTime(); });
    audio.addEventListener("play", () => {
      playButton.textContent = "❚❚";
      playButton.setAttribute("aria-label", "Pause");
      lastScroll = 0;
      requestAnimationFrame(tick);
    });
    audio.addEventListener("pause", () => {
      playButton.textContent = "▶";
      playButton.setAttribute("aria-label", "Play");
      showTime();
    });
    for (const name of ["timeupdate", "seeked"]) audio.addEventListener(name, showTime);
    audio.addEventListener("error", () => {
      one("#sound-note").textContent = "The sound cannot be played: the file beside this page is missing, or this browser has no Opus.";
      one("#sound-note").hidden = false;
    });
    playButton.addEventListener("click", toggle);
    seek.addEventListener("input", () => go(Number(seek.value), false));
    one("#speed").addEventListener("change", (event) => { audio.playbackRate = Number(event.target.value); });
    one("#back").addEventListener("click", () => go(audio.currentTime - 5, !audio.paused));
    one("#ahead").addEventListener("click", () => go(audio.currentTime + 5, !audio.paused));
    showTime();
  }
  addEventListener("wheel", () => { lastScroll = performance.now(); }, { passive: true });
  addEventListener("touchmove", () => { lastScroll = performance.now(); }, { passive: true });
  one(".drawn svg")?.addEventListener("click", (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    go(((event.clientX - box.left) / box.width) * data.duration);
  });
  document.addEventListener("click", (event) => {
    const at = event.target.closest("button.at");
    if (at) go(Number(at.dataset.time));
    const index = places.get(event.target);
    if (index === undefined || !getSelection().isCollapsed) return;
    choose(event.target, false);
    go(starts[index]);
  });

  // --- words by keyboard: one of them is in the order of tabs, arrows move on ---------------------------------
  let chosen = null;
  const choose = (span, hasFocus = true) => {
    chosen?.removeAttribute("tabindex");
    chosen = span;
    span.tabIndex = 0;
    if (hasFocus) span.focus();
  };
  if (spans.length) choose(spans[0], false);
  const besideTurn = (span, step) => {
    const turns = all(".turn");
    const turn = turns[turns.indexOf(span.closest(".turn")) + step];
    return turn ? one(".words span", turn) : null;
  };
  const moveWord = (event, index) => {
    const steps = { ArrowRight: () => spans[index + 1], ArrowLeft: () => spans[index - 1],
      ArrowDown: () => besideTurn(spans[index], 1), ArrowUp: () => besideTurn(spans[index], -1) };
    if (event.key === "Enter" || event.key === " ") go(starts[index]);
    else if (steps[event.key]) {
      const next = steps[event.key]();
      if (next) choose(next);
    } else return false;
    return true;
  };

  // --- search ----------------------------------------------------------------------------------------------
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLocaleLowerCase();
  const search = one("#search");
  const texts = all(".words").map((words) => {
    const own = all("span", words);
    let text = "";
    const begins = own.map((span) => {
      const begin = text.length;
      text += `${plain(span.textContent)} `;
      return begin;
    });
    return { own, text, begins };
  });
  let hits = [];
  let now = -1;
  const find = () => {
    for (const span of all(".hit")) span.classList.remove("hit", "now");
    hits = [];
    now = -1;
    const wanted = plain(search.value).replace(/\s+/gu, " ").trim();
    if (wanted) {
      for (const { own, text, begins } of texts) {
        for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
          const within = own.filter((_, i) => begins[i] < at + wanted.length && (begins[i + 1] ?? text.length) > at + 1);
          for (const span of within) span.classList.add("hit");
          hits.push(within);
        }
      }
      if (hits.length) step(1);
    }
    one(".found").textContent = wanted ? (hits.length ? `${now + 1} of ${hits.length}` : "not found") : "";
  };
  const step = (by) => {
    if (!hits.length) return;
    hits[now]?.forEach((span) => span.classList.remove("now"));
    now = (now + by + hits.length) % hits.length;
    hits[now].forEach((span) => span.classList.add("now"));
    lastScroll = performance.now();
    hits[now][0].scrollIntoView({ block: "center" });
    one(".found").textContent = `${now + 1} of ${hits.length}`;
  };
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    if (event.key === "Escape") {
      search.value = "";
      find();
      search.blur();
    }
  });

  // --- take it away ----------------------------------------------------------------------------------------
  const download = () => {
    const named = (label) => {
      const person = data.people.indexOf(label);
      return person >= 0 ? nameOf(person) : label;
    };
    const transcript = structuredClone(data.transcript);
    for (const segment of transcript.segments) {
      if (segment.speaker !== null) segment.speaker = named(segment.speaker);
    }
    const meeting = transcript.meeting;
    for (const person of meeting.participants) person.name = named(person.name);
    for (const turn of meeting.turns) turn[2] = named(turn[2]);
    for (const sentence of meeting.summary) sentence.speaker = sentence.speaker && named(sentence.speaker);
    meeting.actions.forEach((item, index) => {
      item.speaker = item.speaker && named(item.speaker);
      item.owner = item.owner && named(item.owner);
      item.is_done = kept.done[index] === true;
    });
    const link = document.createElement("a");
    const text = JSON.stringify(transcript, null, 1);
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "meeting.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  one("#download").addEventListener("click", download);
  one("#print").addEventListener("click", () => print());
  const help = one("#help");
  one("#keys").addEventListener("click", () => help.showModal());
  for (const element of all(".needs-script")) element.hidden = false;

  // --- keys ------------------------------------------------------------------------------------------------
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const place = places.get(event.target);
    if (place !== undefined && moveWord(event, place)) {
      event.preventDefault();
      return;
    }
    if (event.target.closest("input, select, textarea, button, summary, a")) {
      if (event.key !== "/" || event.target.closest("input[type=text], input[type=search]")) return;
    }
    const keys = {
      "/": () => search.focus(),
      "?": () => help.showModal(),
      " ": () => audio && toggle(),
      k: () => audio && toggle(),
      j: () => audio && go(audio.currentTime - 5, !audio.paused),
      l: () => audio && go(audio.currentTime + 5, !audio.paused),
      ArrowLeft: () => audio && go(audio.currentTime - 5, !audio.paused),
      ArrowRight: () => audio && go(audio.currentTime + 5, !audio.paused),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  showNames();
})();
