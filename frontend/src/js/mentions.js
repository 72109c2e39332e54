// "@" in a note offers the names of colleagues; without this script the name is simply typed.
import { announce, on } from "./dom.js";

const SHOWN = 6;
let names = null;
let list = null;
let field = null;

const bare = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

// Asked for once, by the first "@" of a page; who types on meanwhile waits for the same answer.
function load(url) {
  names ??= fetch(url, { headers: { Accept: "application/json" } }).then((answer) => (answer.ok ? answer.json() : []));
  return names;
}

const close = () => {
  list?.remove();
  list = null;
};

const begun = (area) => area.value.slice(0, area.selectionStart).match(/(?:^|[\s(])@([\p{L}\p{M}' .-]{0,40})$/u);

on("input", "textarea[data-mentions]", async (area) => {
  if (!begun(area)) return close();
  const known = await load(area.dataset.mentions);
  const found = begun(area);
  if (!found) return close();
  const typed = bare(found[1]);
  const fits = known.filter((name) => bare(name).startsWith(typed)).slice(0, SHOWN);
  close();
  if (!fits.length || fits.some((name) => bare(name) === typed.trim())) return;
  field = area;
  list = document.createElement("ul");
  list.className = "fd-mentions";
  list.setAttribute("role", "listbox");
  fits.forEach((name, number) => {
    const option = document.createElement("li");
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", String(number === 0));
    option.textContent = name;
    option.dataset.mention = name;
    list.append(option);
  });
  area.after(list);
  announce(fits.join(", "));
});

function take(name) {
  const start = field.selectionStart;
  const before = field.value.slice(0, start).replace(/@[^@]*$/u, `@${name} `);
  field.value = before + field.value.slice(start);
  field.setSelectionRange(before.length, before.length);
  field.focus();
  close();
}

on("mousedown", "[data-mention]", (option, event) => {
  event.preventDefault();
  take(option.dataset.mention);
});

on("keydown", "textarea[data-mentions]", (_area, event) => {
  if (!list) return;
  const options = [...list.children];
  const at = options.findIndex((option) => option.getAttribute("aria-selected") === "true");
  if (event.key === "Escape") {
    close();
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    const next = (at + (event.key === "ArrowDown" ? 1 : options.length - 1)) % options.length;
    options.forEach((option, number) => option.setAttribute("aria-selected", String(number === next)));
    announce(options[next].textContent);
  } else if ((event.key === "Enter" && !event.ctrlKey && !event.metaKey) || event.key === "Tab") {
    event.preventDefault();
    take(options[at].dataset.mention);
  }
});

on("focusout", "textarea[data-mentions]", close);
