// The inbox: a pulse that keeps the draft and shows who else is here, canned replies at the caret, a list that stays fresh.
import { each, on, token } from "./dom.js";
import htmx from "htmx.org/dist/htmx.esm.js";

const PULSE = 5000;
const REFRESH = 20000;
const TYPED = 6000;

// Who is here, and what was typed: while the page is seen, and once more when it is left.
let typedAt = 0;
on("input", "form[data-pulse]", () => {
  typedAt = Date.now();
});

function said(form) {
  const body = new FormData(form);
  body.set("typing", Date.now() - typedAt < TYPED ? "1" : "0");
  return body;
}

async function pulse(form) {
  let answer;
  try {
    answer = await fetch(form.dataset.pulse, { method: "POST", body: said(form), headers: { "HX-Request": "true", "X-CSRFToken": token() } });
  } catch {
    return; // The next one tells; nothing of the page depends on it.
  }
  const place = document.querySelector(form.dataset.pulseTarget);
  if (!answer.ok || !place) return;
  const text = (await answer.text()).trim();
  if (place.dataset.said !== text) {
    place.dataset.said = text;
    place.innerHTML = text;
  }
}

each("form[data-pulse]", (form) => {
  if (form.dataset.beats) return;
  form.dataset.beats = "1";
  pulse(form);
  const timer = setInterval(() => {
    if (!form.isConnected) clearInterval(timer);
    else if (document.visibilityState === "visible") pulse(form);
  }, PULSE);
  let sent = false;
  form.addEventListener("submit", () => {
    sent = true;
  });
  window.addEventListener("pagehide", () => {
    if (typedAt && !sent) fetch(form.dataset.pulse, { method: "POST", body: said(form), headers: { "X-CSRFToken": token() }, keepalive: true });
  });
});

// What is kept on the server is no unsaved change.
on("input", "form[data-pulse] textarea", (field) => {
  const form = field.form;
  clearTimeout(form.keeping);
  form.keeping = setTimeout(() => pulse(form), 900);
});

// The list stays fresh while it is seen and nobody walks through it.
each("[data-refresh]", (place) => {
  const timer = setInterval(async () => {
    if (!place.isConnected) return clearInterval(timer);
    if (document.visibilityState !== "visible" || place.contains(document.activeElement) || place.querySelector("[data-current], :checked")) return;
    try {
      const answer = await fetch(place.dataset.refresh, { headers: { "HX-Request": "true" } });
      if (!answer.ok) return;
      place.innerHTML = await answer.text();
      htmx.process(place);
    } catch {
      // The next look tells.
    }
  }, REFRESH);
});

// The newest message is what one wants to read.
each("[data-scroll-end]", (thread) => {
  const column = thread.closest(".fd-middle");
  if (column) column.scrollTop = column.scrollHeight;
});

// Canned replies: opened by a button or "/", narrowed while typing, put in at the caret.
const field = () => document.querySelector("form[data-pulse] textarea");

on("keydown", "form[data-pulse] textarea", (area, event) => {
  if (event.key !== "/" || area.value.trim() || !document.querySelector("[data-canned]")) return;
  event.preventDefault();
  document.getElementById("canned")?.showPopover();
});

// The list may come after the panel has opened.
const seek = () => {
  const panel = document.getElementById("canned");
  if (panel?.matches(":popover-open") && !panel.contains(document.activeElement)) panel.querySelector("[data-canned-search]")?.focus();
};
document.addEventListener("toggle", (event) => event.target.id === "canned" && seek(), true);
document.addEventListener("htmx:after:settle", seek);

on("input", "[data-canned-search]", (search) => {
  const words = search.value.toLowerCase().split(/\s+/);
  for (const option of document.querySelectorAll("[data-canned-words]")) option.hidden = !words.every((word) => option.dataset.cannedWords.includes(word));
});

on("keydown", "#canned", (panel, event) => {
  const shown = [...panel.querySelectorAll("[data-insert]")].filter((option) => !option.hidden);
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const at = shown.indexOf(document.activeElement);
    shown.at(event.key === "ArrowDown" ? (at + 1) % shown.length : Math.max(at, 0) - 1)?.focus();
  } else if (event.key === "Enter" && event.target.matches("[data-canned-search]")) {
    event.preventDefault();
    shown[0]?.click();
  }
});

on("click", "[data-insert]", (option, event) => {
  const area = field();
  if (!area) return;
  event.preventDefault();
  document.getElementById("canned")?.hidePopover();
  const from = area.selectionStart;
  const gap = from > 0 && !/\s$/.test(area.value.slice(0, from)) ? " " : "";
  area.setRangeText(gap + option.dataset.insert, from, area.selectionEnd, "end");
  area.focus();
  area.dispatchEvent(new Event("input", { bubbles: true }));
});
