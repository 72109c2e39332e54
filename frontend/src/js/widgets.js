// Widgets that are fetched only when a page has them: searchable choices and boards.
import htmx from "htmx.org/dist/htmx.esm.js";
import { each, token } from "./dom.js";

each("select[data-select], input[data-select]", async (field) => {
  if (field.dataset.ready) return;
  field.dataset.ready = "1";
  const { choose } = await import("./choice.js");
  choose(field);
});

each("[data-sortable]", async (list) => {
  if (list.dataset.ready) return;
  list.dataset.ready = "1";
  const { default: Sortable } = await import("sortablejs");
  Sortable.create(list, {
    group: list.dataset.sortable || undefined,
    animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 150,
    ghostClass: "fd-ghost",
    dragClass: "fd-dragged",
    handle: list.dataset.sortHandle || undefined,
    delay: 120,
    delayOnTouchOnly: true,
    onEnd: (event) => moved(event),
  });
});

async function moved({ item, to, from, newIndex, oldIndex }) {
  if (to === from && newIndex === oldIndex) return;
  const url = to.dataset.sortUrl;
  if (!url) return;
  const body = new FormData();
  body.set("id", item.dataset.id ?? "");
  body.set("to", to.dataset.id ?? "");
  body.set("index", String(newIndex));
  const answer = await fetch(url, { method: "POST", body, headers: { "X-CSRFToken": token(), "HX-Request": "true" } });
  if (!answer.ok) from.insertBefore(item, from.children[oldIndex] ?? null);
  const text = await answer.text();
  if (text.trim()) show(text);
}

// The answer may carry toasts and new figures, marked by hx-swap-oob.
function show(text) {
  const holder = document.createElement("div");
  holder.innerHTML = text;
  for (const part of holder.querySelectorAll("[hx-swap-oob]")) {
    const [how, selector] = part.getAttribute("hx-swap-oob").split(/:(.*)/);
    const target = document.querySelector(selector || `#${CSS.escape(part.id)}`);
    if (!target) continue;
    part.removeAttribute("hx-swap-oob");
    const nodes = how === "true" || how === "outerHTML" ? [part] : [...part.children];
    if (how === "beforeend") target.append(...nodes);
    else if (how === "innerHTML") target.replaceChildren(...nodes);
    else target.replaceWith(...nodes);
    for (const node of nodes) htmx.process(node);
  }
}
