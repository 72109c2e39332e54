// The week: a message is drawn to another hour, the server asks the gate, and a closed hour is answered on the spot.
import { announce, each, on } from "./dom.js";

const MOVES_AFTER = 5;
let drag = null;
let dropped = null;

const two = (number) => String(number).padStart(2, "0");

on("pointerdown", "[data-drag]", (slot, event) => {
  if (event.button !== 0 || event.pointerType === "touch" || event.target.closest(".fd-slot__move")) return;
  putBack();
  const week = slot.closest("[data-week]");
  const box = slot.getBoundingClientRect();
  const time = slot.querySelector("[data-slot-time]");
  drag = { slot, week, time, words: time?.textContent ?? "", x: event.clientX, y: event.clientY, left: event.clientX - box.left, top: event.clientY - box.top, moved: false, place: null };
});

document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
  if (!drag.moved && Math.hypot(dx, dy) < MOVES_AFTER) return;
  event.preventDefault();
  drag.moved = true;
  drag.slot.classList.add("fd-slot--dragged");
  drag.slot.style.transform = `translate(${dx}px, ${dy}px) rotate(1.6deg)`;
  drag.place = placeOf(event);
  if (drag.time && drag.place) drag.time.textContent = `${drag.place.label}, ${drag.place.at}`;
});

document.addEventListener("pointerup", (event) => {
  if (!drag) return;
  const { slot, moved } = drag;
  if (!moved) {
    drag = null;
    return;
  }
  // What follows is the click of the same press: the link under it is not meant.
  slot.addEventListener("click", (click) => click.preventDefault(), { capture: true, once: true });
  const place = placeOf(event);
  dropped = drag;
  drag = null;
  const form = document.querySelector("[data-calendar-drop]");
  if (!place || !form) {
    putBack();
    return;
  }
  form.elements.namedItem("on").value = place.day;
  form.elements.namedItem("at").value = place.at;
  form.action = slot.dataset.drag;
  form.setAttribute("hx-post", slot.dataset.drag);
  form.requestSubmit();
});

document.addEventListener("pointercancel", () => {
  dropped = drag;
  drag = null;
  putBack();
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (drag) {
    dropped = drag;
    drag = null;
    putBack();
  } else if (document.querySelector("[data-answer]")) close();
});

on("click", "[data-answer-close]", close);
document.addEventListener("htmx:error", () => putBack());

// A refusal stands beside the message it is about, which shows where it was dropped until it is put back.
each("[data-answer]", (answer) => {
  const slot = dropped?.slot.isConnected ? dropped.slot : document.querySelector(`[data-message="${CSS.escape(answer.dataset.answer)}"]`);
  if (dropped) slot?.classList.add("fd-slot--refused");
  const title = answer.querySelector("p")?.textContent;
  if (title && answer.getAttribute("role") === "alert") announce(title);
  if (slot) beside(answer, slot);
  answer.querySelector("[data-focus]")?.focus();
});

function beside(answer, slot) {
  if (window.innerWidth < 720) return;
  const from = slot.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = answer;
  const left = Math.min(Math.max(from.right - width / 3, 12), window.innerWidth - width - 12);
  const top = from.bottom + 10 + height < window.innerHeight ? from.bottom + 10 : Math.max(12, from.top - height - 10);
  answer.classList.add("fd-answer--beside");
  answer.style.left = `${Math.round(left)}px`;
  answer.style.top = `${Math.round(top)}px`;
}

function close() {
  const holder = document.getElementById("calendar-answer");
  const about = holder?.querySelector("[data-answer]")?.dataset.answer;
  holder?.replaceChildren();
  putBack();
  const slot = about && document.querySelector(`[data-message="${CSS.escape(about)}"], #plan-${CSS.escape(about)}`);
  slot?.querySelector("a")?.focus();
}

function putBack() {
  if (!dropped) return;
  dropped.slot.style.transform = "";
  dropped.slot.classList.remove("fd-slot--dragged", "fd-slot--refused");
  if (dropped.time) dropped.time.textContent = dropped.words;
  dropped = null;
  document.getElementById("calendar-answer")?.replaceChildren();
}

// The day under the pointer, and the quarter of an hour at the upper edge of what is drawn.
function placeOf(event) {
  const holder = drag ?? dropped;
  const column = document.elementsFromPoint(event.clientX, event.clientY).find((element) => element.matches(".fd-week__day"));
  if (!holder || !column || column.closest("[data-week]") !== holder.week) return null;
  const rows = getComputedStyle(holder.week).getPropertyValue("--rows");
  const above = event.clientY - holder.top - column.getBoundingClientRect().top;
  const quarter = Math.min(Math.max(Number(holder.week.dataset.first) + Math.round(above / parseFloat(rows)), 0), 95);
  return { day: column.dataset.day, label: column.dataset.label, at: `${two(Math.floor(quarter / 4))}:${two((quarter % 4) * 15)}` };
}
