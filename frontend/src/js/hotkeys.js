// Keys: J and K walk through lists, a letter presses the button of the chosen line (data-row-key) or the button that shows it, N begins something new.
import { on, typing } from "./dom.js";

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const deed = current()?.querySelector(`[data-row-key="${CSS.escape(key)}"]`);
  if (deed) {
    event.preventDefault();
    deed.click();
    return;
  }
  const button = [...document.querySelectorAll("[data-hotkey]")].find((element) => element.dataset.hotkey.toLowerCase() === key && !element.disabled && visible(element));
  if (button) {
    event.preventDefault();
    button.click();
    // A key that chooses what is written means to write it; a menu that it opens is walked through by arrows.
    if ("modeSwitch" in button.dataset) button.form?.querySelector("textarea")?.focus();
    else if (button.hasAttribute("popovertarget")) document.getElementById(button.getAttribute("popovertarget"))?.querySelector("input:not([type=hidden]), .fd-menu__item")?.focus();
    return;
  }
  if (key === "j" || key === "k") walk(key === "j" ? 1 : -1, event);
  else if (key === "x") (current()?.querySelector("[data-select-row]") ?? current()?.parentElement.querySelector("[data-select-row]"))?.click();
  else if (key === "Enter" && event.target === current()) current().querySelector("[data-row-link]")?.click();
});

const visible = (element) => element.getClientRects().length > 0;
const rows = () => [...document.querySelectorAll("[data-list] [data-row], [data-list] tbody > tr")].filter(visible);
const current = () => document.querySelector("[data-list] [data-current]");

function walk(step, event) {
  const all = rows();
  if (all.length === 0) return;
  event.preventDefault();
  const focused = all.findIndex((row) => "current" in row.dataset || row.contains(document.activeElement));
  const at = focused < 0 ? all.findIndex((row) => row.hasAttribute("aria-current")) : focused;
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1)];
  for (const row of all) delete row.dataset.current;
  next.dataset.current = "";
  if (!next.hasAttribute("tabindex")) next.tabIndex = -1;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

on("click", "tr[data-href]", (row, event) => {
  if (event.target.closest("a, button, input, label, select, summary") || String(getSelection())) return;
  const link = row.querySelector("[data-row-link]");
  if (link) link.click();
  else location.assign(row.dataset.href);
});
