// Native dialogs: opened by any element that names one, closed by a button or a click beside it.
import { on } from "./dom.js";

on("click", "[data-dialog-open]", (button, event) => {
  const dialog = document.getElementById(button.dataset.dialogOpen);
  if (!(dialog instanceof HTMLDialogElement)) return;
  event.preventDefault();
  button.closest("[popover]")?.hidePopover();
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("[autofocus], .fd-dialog__body :is(input:not([type=hidden]), select, textarea, button)")?.focus();
});

on("click", "[data-dialog-close]", (button) => button.closest("dialog")?.close());

on("mousedown", "dialog", (dialog, event) => {
  if (event.target !== dialog) return;
  const box = dialog.getBoundingClientRect();
  const outside = event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
  if (outside) dialog.close();
});
