// The board of deals: a card is drawn or carried by keys to another place, and put back where the server refuses.
import htmx from "htmx.org/dist/htmx.esm.js";
import { announce, each, on, token } from "./dom.js";
import { toast } from "./toasts.js";

let carried = null;

const listOf = (column) => column.querySelector("[data-cards]");
const columnOf = (card) => card.closest("[data-column]");
const cardsOf = (column) => [...column.querySelectorAll("[data-deal]")];
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

each("[data-cards]", async (list) => {
  if (list.dataset.ready) return;
  list.dataset.ready = "1";
  const { default: Sortable } = await import("sortablejs");
  Sortable.create(list, {
    group: "deals",
    draggable: "[data-deal]",
    filter: ".fd-menu",
    preventOnFilter: false,
    // Open cards stand where somebody puts them, won and lost ones by the day of their end.
    sort: columnOf(list).dataset.kind === "open",
    animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 150,
    ghostClass: "fd-ghost",
    dragClass: "fd-dragged",
    delay: 120,
    delayOnTouchOnly: true,
    onEnd: ({ item, from, to, oldDraggableIndex, newDraggableIndex }) => {
      if (from === to && oldDraggableIndex === newDraggableIndex) return;
      const rest = [...from.querySelectorAll(":scope > [data-deal]")].filter((card) => card !== item);
      const before = rest[oldDraggableIndex] ?? from.querySelector(".fd-board__more");
      settle(item, { list: from, before });
    },
  });
});

// A card that was put further down than was shown comes again with the next ones.
each("[data-cards] > [data-deal]", (card) => {
  const shown = document.getElementById(card.id);
  if (shown && shown !== card) card.remove();
});

document.addEventListener("keydown", (event) => {
  const link = event.target instanceof Element ? event.target.closest("[data-board] [data-deal-link]") : null;
  if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
  const card = link.closest("[data-deal]");
  if (event.key === " ") carried ? putDown() : takeUp(card);
  else if (carried && event.key === "Enter") putDown();
  else if (carried && event.key === "Escape") leave();
  else if (event.key === "ArrowLeft" || event.key === "ArrowRight") sideways(card, event.key === "ArrowRight" ? 1 : -1);
  else if (event.key === "ArrowUp" || event.key === "ArrowDown") along(card, event.key === "ArrowDown" ? 1 : -1);
  else return;
  event.preventDefault();
});

// Whoever goes elsewhere with the card in hand has left it.
on("focusout", "[data-deal-link]", (link) => {
  setTimeout(() => {
    if (carried && !carried.moving && !carried.card.contains(document.activeElement)) leave();
  });
});

function takeUp(card) {
  const list = card.closest("[data-cards]");
  if (!list) return;
  carried = { card, place: { list, before: card.nextElementSibling }, moving: false };
  card.classList.add("fd-board__card--carried");
  say("taken", card);
}

function sideways(card, step) {
  const columns = [...card.closest("[data-board]").querySelectorAll("[data-column]")];
  const next = columns[columns.indexOf(columnOf(card)) + step];
  if (!next) return;
  if (!carried) {
    const nearest = columns.slice(columns.indexOf(next)).concat();
    const found = (step > 0 ? nearest : columns.slice(0, columns.indexOf(next) + 1).reverse()).find((column) => cardsOf(column).length > 0);
    focus(found && cardsOf(found)[0]);
    return;
  }
  carried.moving = true;
  listOf(next).prepend(card);
  focus(card);
  carried.moving = false;
  const board = next.closest("[data-board]");
  announce(fill(board.dataset.over, { stage: next.dataset.name, number: columns.indexOf(next) + 1, all: columns.length }));
}

function along(card, step) {
  const column = columnOf(card);
  const cards = cardsOf(column);
  const next = cards[cards.indexOf(card) + step];
  if (!carried) focus(next);
  else if (next && column.dataset.kind === "open") {
    carried.moving = true;
    step > 0 ? next.after(card) : next.before(card);
    focus(card);
    carried.moving = false;
    const { dataset } = column.closest("[data-board]");
    announce(fill(dataset.at, { stage: column.dataset.name, number: cardsOf(column).indexOf(card) + 1, all: cards.length }));
  }
}

function focus(card) {
  card?.querySelector("[data-deal-link]").focus();
  card?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

function putDown() {
  const { card, place } = carried;
  carried = null;
  card.classList.remove("fd-board__card--carried");
  if (card.closest("[data-cards]") === place.list && card.nextElementSibling === place.before) {
    say("left", card);
  } else settle(card, place);
}

function leave() {
  const { card, place } = carried;
  carried = null;
  card.classList.remove("fd-board__card--carried");
  putBack(card, place);
  say("left", card);
}

function say(what, card) {
  const board = card.closest("[data-board]");
  announce(fill(board.dataset[what], { title: card.dataset.title, stage: columnOf(card).dataset.name }));
}

function putBack(card, { list, before }) {
  const had = card.contains(document.activeElement);
  list.insertBefore(card, before?.parentElement === list ? before : null);
  if (had) focus(card);
}

/** The card stands in its new column already; the server decides whether it stays there. */
async function settle(card, place) {
  const column = columnOf(card);
  if (column.dataset.kind === "lost") {
    ask(card, place, column);
    return;
  }
  const board = column.closest("[data-board]");
  const body = new FormData();
  body.set("stage_id", column.dataset.column);
  body.set("version", card.dataset.version);
  if (column.dataset.kind === "open") {
    const cards = cardsOf(column);
    const at = cards.indexOf(card);
    if (at > 0) body.set("after_id", cards[at - 1].dataset.deal);
    else if (cards[1]) body.set("before_id", cards[1].dataset.deal);
  }
  card.setAttribute("aria-busy", "true");
  let answer = null;
  let parts = document.createElement("div");
  try {
    answer = await fetch(card.dataset.url, { method: "POST", body, headers: { "X-CSRFToken": token(), "HX-Request": "true" } });
    parts.innerHTML = await answer.text();
  } catch {
    answer = null;
  }
  card.removeAttribute("aria-busy");
  const said = parts.querySelector("[data-say]")?.textContent ?? board.dataset.failed;
  if (!answer?.ok || !parts.querySelector("[data-card]")) {
    putBack(card, place);
    toast(said, "bad");
    announce(said);
    return;
  }
  for (const template of parts.querySelectorAll("template[data-head]")) {
    const head = template.content.firstElementChild;
    document.getElementById(head.id)?.replaceWith(head);
  }
  const fresh = parts.querySelector("template[data-card]").content.firstElementChild;
  const had = card.contains(document.activeElement) || document.activeElement === document.body;
  card.replaceWith(fresh);
  htmx.process(fresh);
  if (had) focus(fresh);
  announce(said);
}

/** Who loses a deal says why; until then the card only waits in the column. */
function ask(card, place, column) {
  const dialog = document.getElementById("lost-deal");
  const form = dialog.querySelector("[data-lost-form]");
  form.action = card.dataset.url;
  form.elements.namedItem("stage_id").value = column.dataset.column;
  form.elements.namedItem("version").value = card.dataset.version;
  dialog.addEventListener(
    "close",
    () => {
      putBack(card, place);
      focus(card);
    },
    { once: true },
  );
  dialog.showModal();
  dialog.querySelector("select, textarea")?.focus();
}
