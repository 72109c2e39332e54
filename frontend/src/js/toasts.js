// Toasts leave by themselves, wait while somebody points at them, and can be closed.
import { each, on } from "./dom.js";

each("[data-toast]", (toast) => {
  if (toast.dataset.started) return;
  toast.dataset.started = "1";
  if ("sticky" in toast.dataset) return;
  let timer;
  const start = () => {
    timer = setTimeout(() => toast.remove(), Number(toast.dataset.seconds || 6) * 1000);
  };
  for (const type of ["pointerenter", "focusin"]) toast.addEventListener(type, () => clearTimeout(timer));
  for (const type of ["pointerleave", "focusout"]) toast.addEventListener(type, start);
  start();
});

on("click", "[data-dismiss]", (button) => button.closest(button.dataset.dismiss)?.remove());

/** Show a passing word made on the page itself. */
export function toast(text, tone = "ok") {
  const region = document.getElementById("toasts");
  if (!region) return;
  const element = document.createElement("div");
  element.className = `fd-toast fd-toast--${tone}`;
  const words = document.createElement("span");
  words.className = "fd-toast__text";
  words.textContent = text;
  element.append(words);
  region.append(element);
  setTimeout(() => element.remove(), 6000);
}
