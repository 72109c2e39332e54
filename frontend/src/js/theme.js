// Light, dark, or as the device: changes at once and is kept by the server.
import { on, token } from "./dom.js";

on("click", "[data-theme-set]", (button, event) => {
  const form = button.form;
  if (!form) return;
  event.preventDefault();
  document.documentElement.dataset.theme = button.dataset.themeSet;
  for (const other of form.querySelectorAll("[data-theme-set]")) other.setAttribute("aria-pressed", String(other === button));
  document.dispatchEvent(new CustomEvent("fd:theme"));
  const body = new FormData(form);
  body.set("theme", button.dataset.themeSet);
  fetch(form.action, { method: "POST", body, headers: { "X-CSRFToken": token() }, redirect: "manual" });
});
