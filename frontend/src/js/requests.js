// What happens around htmx requests: lost connections are told, focus is kept or taken.
import { toast } from "./toasts.js";

let focused = null;

document.addEventListener("htmx:error", (event) => {
  if (event.detail?.error?.name === "AbortError") return;
  toast(document.getElementById("announce")?.dataset.failed ?? "", "bad");
});

document.addEventListener("htmx:before:swap", () => {
  const element = document.activeElement;
  focused = element && element !== document.body ? { id: element.id, name: element.getAttribute("name"), form: element.form?.id, start: safeStart(element) } : null;
});

document.addEventListener("htmx:after:settle", (event) => {
  const asked = event.target instanceof Element ? (event.target.matches("[data-focus]") ? event.target : event.target.querySelector("[data-focus]")) : null;
  if (asked) {
    asked.focus();
    return;
  }
  if (!focused || document.activeElement !== document.body) return;
  const again = find(focused);
  if (!again) return;
  again.focus({ preventScroll: true });
  if (focused.start !== null) again.setSelectionRange?.(focused.start, focused.start);
});

function find({ id, name, form }) {
  if (id) return document.getElementById(id);
  // Several controls of one name (radio buttons, repeated buttons) give a list, which can't take the focus.
  const named = name && form ? document.getElementById(form)?.elements.namedItem(name) : null;
  return named instanceof HTMLElement ? named : null;
}

function safeStart(element) {
  return element instanceof HTMLTextAreaElement || (element instanceof HTMLInputElement && /^(text|search|tel|url|password)$/.test(element.type)) ? element.selectionStart : null;
}
