// Ctrl or Cmd K: search and commands over the page. Commands are filtered here; what is found comes from the server.
import { on } from "./dom.js";

const palette = document.getElementById("palette");

if (palette) {
  const input = palette.querySelector("input[name=q]");
  const results = palette.querySelector("[data-palette-results]");
  const commands = results.innerHTML;

  const open = () => {
    if (!palette.open) palette.showModal();
    input.focus();
    input.select();
    choose(0);
  };

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
  on("click", "[data-palette-open]", (element, event) => {
    event.preventDefault();
    open();
  });
  document.querySelector(".fd-topsearch__input")?.addEventListener("input", (event) => {
    input.value = event.target.value;
    event.target.value = "";
    open();
    input.setSelectionRange(input.value.length, input.value.length);
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });

  input.addEventListener("input", () => {
    if (input.value.trim()) return;
    results.innerHTML = commands;
    choose(0);
  });
  document.addEventListener("htmx:after:settle", (event) => {
    if (event.target !== results) return;
    if (input.value.trim()) addCommands(input.value.trim().toLowerCase());
    else results.innerHTML = commands;
    choose(0);
  });
  input.addEventListener("keydown", (event) => {
    const options = all();
    const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown") choose(Math.min(at + 1, options.length - 1));
    else if (event.key === "ArrowUp") choose(Math.max(at - 1, 0));
    else if (event.key === "Enter" && options[at]) options[at].click();
    else return;
    event.preventDefault();
  });

  const all = () => [...results.querySelectorAll("[data-palette-option]")];

  function choose(at) {
    for (const [index, option] of all().entries()) {
      option.id ||= `palette-option-${index}`;
      option.setAttribute("aria-selected", String(index === at));
      if (index === at) {
        input.setAttribute("aria-activedescendant", option.id);
        option.scrollIntoView({ block: "nearest" });
      }
    }
  }

  function addCommands(words) {
    const store = document.createElement("template");
    store.innerHTML = commands;
    for (const option of store.content.querySelectorAll("[data-palette-option]")) {
      if (option.textContent.toLowerCase().includes(words)) results.append(option);
    }
  }
}
