// Forms: unsaved changes, counters, filters that send themselves, previews, the modes of a composer.
import { each, on } from "./dom.js";
import htmx from "htmx.org/dist/htmx.esm.js";

const PREVIEW_AFTER = 400;

// Unsaved changes: the browser asks before the page is left.
const changed = new Set();
on("input", "form[data-guard]", (form) => changed.add(form));
document.addEventListener("submit", (event) => changed.delete(event.target), true);
document.addEventListener("htmx:after:swap", () => {
  for (const form of changed) if (!form.isConnected) changed.delete(form);
});
document.addEventListener("reset", (event) => changed.delete(event.target), true);
window.addEventListener("beforeunload", (event) => {
  if ([...changed].some((form) => form.isConnected && isChanged(form))) event.preventDefault();
});

function isChanged(form) {
  return [...form.elements].some((field) => {
    if (field.type === "hidden" || field.disabled || !field.name || "modeSwitch" in field.dataset) return false;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName === "SELECT") return [...field.options].some((option) => option.selected !== option.defaultSelected) && [...field.options].some((option) => option.defaultSelected);
    return field.value !== field.defaultValue;
  });
}

// Filters send themselves.
on("change", "[data-autosubmit]", (field) => field.form?.requestSubmit());

// Counters of characters.
const count = (field) => {
  const place = document.querySelector(`[data-count-for="${CSS.escape(field.id)}"]`);
  if (!place) return;
  const limit = Number(field.dataset.count);
  place.textContent = `${field.value.length} / ${limit}`;
  place.classList.toggle("fd-field__count--over", field.value.length > limit);
};
each("[data-count]", count);
on("input", "[data-count]", count);

// Fields that grow with their text where the browser does not do it by itself.
if (!CSS.supports("field-sizing", "content")) {
  const grow = (field) => {
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight}px`;
  };
  each("[data-autogrow]", grow);
  on("input", "[data-autogrow]", grow);
}

// Ctrl or Cmd Enter sends what is being written.
on("keydown", "[data-submit-on='mod+enter']", (field, event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    field.form?.requestSubmit();
  }
});

// Modes of a composer: their parts, the word on the button, the hint in the field.
const mode = (form) => {
  const chosen = form.querySelector("[data-mode-switch]:checked");
  if (!chosen) return;
  for (const part of form.querySelectorAll("[data-mode]")) {
    const shown = part.dataset.mode.split(" ").includes(chosen.value);
    part.hidden = !shown;
    for (const field of part.querySelectorAll("input, select, textarea")) field.disabled = !shown;
  }
  const label = form.querySelector("[data-submit] .fd-button__label");
  if (label && chosen.dataset.submitLabel) label.textContent = chosen.dataset.submitLabel;
  const text = form.querySelector("textarea");
  if (text && chosen.dataset.placeholder) text.placeholder = chosen.dataset.placeholder;
};
each("form[data-composer]", mode);
on("change", "[data-mode-switch]", (input) => mode(input.form));

// Live previews: the form is posted while it is being filled in, never saved.
const timers = new WeakMap();
on("input", "form[data-preview-url]", (form) => {
  clearTimeout(timers.get(form));
  timers.set(form, setTimeout(() => preview(form), PREVIEW_AFTER));
});

const running = new WeakMap();
async function preview(form) {
  running.get(form)?.abort();
  const control = new AbortController();
  running.set(form, control);
  try {
    const answer = await fetch(form.dataset.previewUrl, { method: "POST", body: new FormData(form), headers: { "HX-Request": "true" }, signal: control.signal });
    const target = document.querySelector(form.dataset.previewTarget);
    if (!target || !(answer.ok || answer.status === 422)) return;
    target.innerHTML = await answer.text();
    htmx.process(target);
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}
