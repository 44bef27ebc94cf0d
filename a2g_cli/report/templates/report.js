"use strict";
// Each film gets a button and a slider of its own: a browser's controls would hide most of so small a picture. The cursor in the
// curve of steps-to-go follows the film; a click into the curve moves the film.
for (const figure of document.querySelectorAll("[data-film]")) {
  const film = figure.querySelector("video"), curve = figure.querySelector(".curve");
  if (!film) continue;
  const cursor = curve && curve.querySelector(".cursor"), width = curve && curve.viewBox.baseVal.width;
  const player = document.createElement("div"), button = document.createElement("button"), slider = document.createElement("input");
  const name = film.getAttribute("aria-label");
  player.className = "player";
  button.type = "button";
  slider.type = "range"; slider.min = 0; slider.max = 1; slider.step = 0.01; slider.value = 1;
  slider.setAttribute("aria-label", "Moment in: " + name);
  const call = () => {
    const going = !film.paused && !film.ended;
    button.textContent = going ? "Pause" : "Play";
    button.setAttribute("aria-label", button.textContent + ": " + name);
  };
  const follow = () => {
    const share = film.duration ? film.currentTime / film.duration : 0;
    slider.value = share;
    if (cursor) { cursor.setAttribute("x1", share * width); cursor.setAttribute("x2", share * width); cursor.removeAttribute("visibility"); }
    if (!film.paused && !film.ended) requestAnimationFrame(follow);
  };
  const move = (share) => {
    const set = () => { film.currentTime = share * film.duration; };
    if (film.readyState) { set(); return; }
    film.addEventListener("loadedmetadata", set, { once: true });
    film.load();
  };
  const toggle = () => { if (film.paused || film.ended) film.play(); else film.pause(); };
  for (const moment of ["play", "pause", "ended"]) film.addEventListener(moment, call);
  for (const moment of ["play", "seeked", "timeupdate", "ended"]) film.addEventListener(moment, follow);
  button.addEventListener("click", toggle);
  film.addEventListener("click", toggle);
  slider.addEventListener("input", () => move(Number(slider.value)));
  if (curve) curve.addEventListener("click", (event) => {
    const box = curve.getBoundingClientRect();
    move((event.clientX - box.left) / box.width);
  });
  film.removeAttribute("controls");
  player.append(button, slider);
  figure.querySelector(".film").after(player);
  call();
}
for (const button of document.querySelectorAll("[data-play]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    for (const film of button.closest(".pair").querySelectorAll("video")) { film.currentTime = 0; film.play(); }
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
