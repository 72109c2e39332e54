// Rows that can be chosen, and the bar that appears at the first one.
import { on } from "./dom.js";

let last = null;

on("click", "[data-select-row]", (box, event) => {
  const boxes = inTable(box);
  if (event.shiftKey && last && boxes.includes(last)) {
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
    for (const each of boxes.slice(from, to + 1)) each.checked = box.checked;
  }
  last = box;
  show(box);
});

on("change", "[data-select-row]", (box) => show(box));

on("change", "[data-select-all]", (all) => {
  for (const box of inTable(all)) box.checked = all.checked;
  show(all);
});

on("click", "[data-bulk-clear]", () => {
  for (const box of document.querySelectorAll("[data-select-row]:checked")) {
    box.checked = false;
    show(box);
  }
});

document.addEventListener("htmx:after:settle", () => {
  const box = document.querySelector("[data-select-row]");
  if (box) show(box);
});

window.addEventListener("pageshow", () => {
  const box = document.querySelector("[data-select-row]:checked");
  if (box) show(box);
});

function inTable(element) {
  return [...(element.closest("table")?.querySelectorAll("[data-select-row]") ?? [])];
}

function show(element) {
  const boxes = inTable(element);
  const chosen = boxes.filter((box) => box.checked).length;
  const all = element.closest("table")?.querySelector("[data-select-all]");
  if (all) {
    all.checked = chosen > 0 && chosen === boxes.length;
    all.indeterminate = chosen > 0 && chosen < boxes.length;
  }
  for (const bar of document.querySelectorAll("[data-bulkbar]")) {
    bar.hidden = chosen === 0;
    const count = bar.querySelector("[data-bulk-count]");
    if (count) count.textContent = String(chosen);
  }
}
