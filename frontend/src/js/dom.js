// What the other modules share: delegated listeners, new content, the announcer.

/** Listen once on the document; `act(element, event)` runs for the nearest ancestor that matches. */
export function on(type, selector, act, options) {
  document.addEventListener(
    type,
    (event) => {
      const element = event.target instanceof Element ? event.target.closest(selector) : null;
      if (element) act(element, event);
    },
    options,
  );
}

/** Run `act(element)` for every match now and in everything that htmx brings later. */
export function each(selector, act) {
  const scan = (root) => {
    if (root instanceof Element && root.matches(selector)) act(root);
    for (const element of root.querySelectorAll?.(selector) ?? []) act(element);
  };
  scan(document);
  document.addEventListener("htmx:after:process", (event) => scan(event.target));
}

/** Say a sentence to screen readers. */
export function announce(text) {
  const region = document.getElementById("announce");
  if (!region) return;
  region.textContent = "";
  requestAnimationFrame(() => {
    region.textContent = text;
  });
}

/** True while the keyboard belongs to a field. */
export function typing(target) {
  return target instanceof Element && (target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]") !== null);
}

/** The token that forms and requests carry. */
export function token() {
  return JSON.parse(document.body.getAttribute("hx-headers:inherited") || "{}")["X-CSRFToken"] ?? "";
}
