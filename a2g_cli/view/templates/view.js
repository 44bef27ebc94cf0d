"use strict";
// The page of what happens now follows by server-sent events. Everything is set as text: nothing from the disk becomes markup.
const follow = document.querySelector("[data-follow]");
if (follow) {
  const lost = document.querySelector("[data-lost]");
  let source = null, heard = Date.now();
  const put = (section, run) => {
    for (const place of section.querySelectorAll("[data-word]")) {
      const words = run.words[place.dataset.word];
      if (place.textContent !== words) place.textContent = words;
    }
    for (const image of section.querySelectorAll("[data-image]")) {
      const address = run.images[image.dataset.image];
      if (address && image.getAttribute("src") !== address) image.src = address;
      image.hidden = !address;
      image.closest("figure").hidden = !address && image.dataset.image === "plan";
    }
    for (const bar of section.querySelectorAll("[data-bar]")) {
      const now = run.bars[bar.dataset.bar];
      bar.max = now.most || 1;
      if (now.most) bar.value = now.value; else bar.removeAttribute("value");
    }
    section.querySelector("[data-curve]").setAttribute("points", run.curve);
    section.querySelector(".verdict").className = "verdict " + (run.alive && !run.stopping ? "good" : "open");
    const button = section.querySelector("[data-stop] button");
    if (button) button.disabled = run.stopping;
  };
  const hear = (event) => {
    heard = Date.now();
    lost.hidden = true;
    const runs = JSON.parse(event.data).runs;
    // Another run has begun, or one has ended: the page is made again, by the server.
    if (runs.map((run) => run.id + ";").join("") !== follow.dataset.runs) { location.reload(); return; }
    for (const section of follow.querySelectorAll("[data-run]")) {
      const run = runs.find((one) => one.id === section.dataset.run);
      if (run) put(section, run);
    }
  };
  const open = () => {
    if (source) return;
    source = new EventSource("/events");
    source.onmessage = hear;
    source.onerror = () => { lost.hidden = false; };
  };
  const close = () => { if (source) source.close(); source = null; };
  // A page that nobody looks at asks for nothing.
  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else { heard = Date.now(); open(); } });
  window.addEventListener("pagehide", close);
  setInterval(() => { if (source && Date.now() - heard > 15000) lost.hidden = false; }, 1000);
  open();
  for (const form of document.querySelectorAll("[data-stop]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const said = form.querySelector("[data-said]"), button = form.querySelector("button");
      button.disabled = true;
      try {
        const answer = await fetch(form.action, {
          method: "POST", body: new URLSearchParams(new FormData(form)), headers: { accept: "application/json" },
        });
        said.textContent = (await answer.json()).said;
        button.disabled = answer.ok;
      } catch {
        said.textContent = "The robot's computer does not answer. Use Ctrl-C at its terminal, or the arm's own emergency stop.";
        button.disabled = false;
      }
    });
  }
}
const choose = document.querySelector("[data-choose]");
if (choose) choose.addEventListener("change", () => choose.submit());
// Marks where an episode should begin and end, kept in this browser.
const marks = document.querySelector("[data-marks]");
if (marks) {
  const NAME = "a2g marks";
  const all = () => { try { return JSON.parse(localStorage.getItem(NAME)) || {}; } catch { return {}; } };
  const count = marks.querySelector("[data-marks-count]"), save = marks.querySelector("[data-marks-save]");
  const tell = () => {
    const kept = all(), number = Object.keys(kept).length;
    count.textContent = number + (number === 1 ? " episode has marks." : " episodes have marks.");
    save.href = "data:application/json," + encodeURIComponent(JSON.stringify(kept, null, 2));
  };
  for (const card of document.querySelectorAll("[data-trim]")) {
    const video = card.querySelector("video"), name = card.dataset.trim, player = card.querySelector(".player");
    if (!video || !player) continue;
    const row = document.createElement("div"), words = document.createElement("span");
    row.className = "trim";
    words.setAttribute("role", "status");
    const show = () => {
      const mark = all()[name] || {};
      const time = (value) => value === undefined ? "…" : value.toFixed(1) + " s";
      words.textContent = mark.begin === undefined && mark.end === undefined ? "" : "keep " + time(mark.begin) + " to " + time(mark.end);
    };
    const keep = (change) => {
      const kept = all(), mark = change === null ? {} : { ...kept[name], ...change };
      if (mark.begin !== undefined && mark.end !== undefined && mark.begin >= mark.end) delete mark[change.begin === undefined ? "begin" : "end"];
      if (Object.keys(mark).length) kept[name] = mark; else delete kept[name];
      localStorage.setItem(NAME, JSON.stringify(kept));
      show(); tell();
    };
    for (const [text, what] of [["Begin here", "begin"], ["End here", "end"], ["No marks", null]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.setAttribute("aria-label", text + ": " + name);
      button.addEventListener("click", () => keep(what === null ? null : { [what]: Math.round(video.currentTime * 10) / 10 }));
      row.append(button);
    }
    // Between the marks only: a video that is played begins at the first and ends at the last.
    video.addEventListener("play", () => { const { begin } = all()[name] || {}; if (begin !== undefined && video.currentTime < begin) video.currentTime = begin; });
    video.addEventListener("timeupdate", () => { const { end } = all()[name] || {}; if (!video.paused && end !== undefined && video.currentTime >= end) video.pause(); });
    row.append(words);
    card.querySelector(".duo").after(row);
    show();
  }
  marks.hidden = false;
  tell();
}
