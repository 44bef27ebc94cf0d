"use strict";
// Each video gets a button and a slider of its own: a browser's controls would hide most of so small an image. The cursor in the
// curve of steps-to-go follows the video; a click into the curve moves the video.
for (const figure of document.querySelectorAll("[data-video]")) {
  const video = figure.querySelector("video"), curve = figure.querySelector(".curve");
  if (!video) continue;
  const cursor = curve && curve.querySelector(".cursor"), width = curve && curve.viewBox.baseVal.width;
  const player = document.createElement("div"), button = document.createElement("button"), slider = document.createElement("input");
  const name = video.getAttribute("aria-label");
  player.className = "player";
  button.type = "button";
  slider.type = "range"; slider.min = 0; slider.max = 1; slider.step = 0.01; slider.value = 1;
  slider.setAttribute("aria-label", "Moment in: " + name);
  const call = () => {
    const going = !video.paused && !video.ended;
    button.textContent = going ? "Pause" : "Play";
    button.setAttribute("aria-label", button.textContent + ": " + name);
  };
  const follow = () => {
    const share = video.duration ? video.currentTime / video.duration : 0;
    slider.value = share;
    if (cursor) { cursor.setAttribute("x1", share * width); cursor.setAttribute("x2", share * width); cursor.removeAttribute("visibility"); }
    if (!video.paused && !video.ended) requestAnimationFrame(follow);
  };
  const move = (share) => {
    const set = () => { video.currentTime = share * video.duration; };
    if (video.readyState) { set(); return; }
    video.addEventListener("loadedmetadata", set, { once: true });
    video.load();
  };
  const toggle = () => { if (video.paused || video.ended) video.play(); else video.pause(); };
  for (const moment of ["play", "pause", "ended"]) video.addEventListener(moment, call);
  for (const moment of ["play", "seeked", "timeupdate", "ended"]) video.addEventListener(moment, follow);
  button.addEventListener("click", toggle);
  video.addEventListener("click", toggle);
  slider.addEventListener("input", () => move(Number(slider.value)));
  if (curve) curve.addEventListener("click", (event) => {
    const box = curve.getBoundingClientRect();
    move((event.clientX - box.left) / box.width);
  });
  video.removeAttribute("controls");
  player.append(button, slider);
  figure.querySelector(".video").after(player);
  call();
}
for (const button of document.querySelectorAll("[data-play]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    for (const video of button.closest(".pair").querySelectorAll("video")) { video.currentTime = 0; video.play(); }
  });
}
const controls = document.querySelector("[data-filters]");
if (controls) {
  const cards = [...document.querySelectorAll("[data-card]")], count = document.querySelector("[data-count]");
  const choices = [...controls.querySelectorAll("select")];
  const filter = () => {
    let shown = 0;
    for (const card of cards) {
      card.hidden = !choices.every((one) => !one.value || card.dataset[one.name] === one.value);
      shown += !card.hidden;
    }
    count.textContent = shown + " of " + cards.length + " episodes";
  };
  controls.hidden = false;
  controls.addEventListener("change", filter);
  filter();
}
