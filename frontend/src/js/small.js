// Copying, the drawer of the phone, and going back to the top of what was opened.
import { announce, on } from "./dom.js";

on("click", "[data-copy]", async (button) => {
  // Without a clipboard (plain http) the words are still there to be marked by hand.
  if (!navigator.clipboard) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  announce(button.dataset.copied ?? "");
  const use = button.querySelector("use");
  const before = use?.getAttribute("href");
  use?.setAttribute("href", before.replace(/#.*/, "#check"));
  setTimeout(() => use?.setAttribute("href", before), 1600);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && location.hash === "#navigation") location.hash = "#main";
});
