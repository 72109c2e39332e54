// Popovers stand beside what opened them, keep inside the window, and may open on hover.
import { on } from "./dom.js";

const GAP = 6;
const OPEN_AFTER = 180;
const CLOSE_AFTER = 220;

document.addEventListener(
  "toggle",
  (event) => {
    const panel = event.target;
    if (!(panel instanceof HTMLElement) || !panel.matches(".fd-popover")) return;
    const opener = document.querySelector(`[popovertarget="${CSS.escape(panel.id)}"]`);
    opener?.setAttribute("aria-expanded", String(event.newState === "open"));
    if (event.newState === "open" && opener) place(panel, opener);
  },
  true,
);

for (const type of ["scroll", "resize"]) {
  window.addEventListener(
    type,
    (event) => {
      for (const panel of document.querySelectorAll(".fd-popover:popover-open")) {
        const opener = document.querySelector(`[popovertarget="${CSS.escape(panel.id)}"]`);
        if (opener && !(event.target instanceof Node && panel.contains(event.target))) place(panel, opener);
      }
    },
    { passive: true, capture: true },
  );
}

function place(panel, opener) {
  const from = opener.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const right = panel.dataset.align === "end";
  const left = Math.min(Math.max(right ? from.right - width : from.left, 12), window.innerWidth - width - 12);
  const below = from.bottom + GAP;
  const top = below + height <= window.innerHeight - 12 || from.top - GAP - height < 12 ? below : from.top - GAP - height;
  panel.style.left = `${Math.round(left)}px`;
  panel.style.top = `${Math.round(Math.max(12, Math.min(top, window.innerHeight - height - 12)))}px`;
}

let timer;
const panelOf = (opener) => document.getElementById(opener.getAttribute("popovertarget"));

on("pointerover", "[data-popover-hover]", (opener, event) => {
  if (event.pointerType !== "mouse") return;
  clearTimeout(timer);
  timer = setTimeout(() => {
    const panel = panelOf(opener);
    if (panel && !panel.matches(":popover-open")) panel.showPopover();
  }, OPEN_AFTER);
});

on("pointerout", "[data-popover-hover], .fd-popover", (element, event) => {
  if (event.pointerType !== "mouse" || element.contains(event.relatedTarget)) return;
  const panel = element.matches(".fd-popover") ? element : panelOf(element);
  const hovers = panel && document.querySelector(`[data-popover-hover][popovertarget="${CSS.escape(panel.id)}"]`);
  if (!hovers) return;
  clearTimeout(timer);
  if (!panel.contains(event.relatedTarget)) timer = setTimeout(() => panel.matches(":popover-open") && panel.hidePopover(), CLOSE_AFTER);
});

on("pointerover", ".fd-popover", () => clearTimeout(timer));

// Arrows walk through an open menu.
on("keydown", ".fd-menu__list:popover-open, [popovertarget][aria-haspopup]", (element, event) => {
  if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
  const panel = element.matches("[popovertarget]") ? panelOf(element) : element;
  const items = [...(panel?.querySelectorAll(".fd-menu__item, .fd-segmented__item") ?? [])];
  if (items.length === 0) return;
  event.preventDefault();
  if (!panel.matches(":popover-open")) panel.showPopover();
  const at = items.indexOf(document.activeElement);
  items.at(event.key === "ArrowDown" ? (at + 1) % items.length : Math.max(at, 0) - 1).focus();
});
