// Searchable choices and free labels, made of Tom Select.
import TomSelect from "tom-select/popular";

/** Turn a select or text field into a searchable choice; `data-select-url` asks the server while typing. */
export function choose(field) {
  const url = field.dataset.selectUrl;
  const settings = {
    plugins: field.multiple || field.tagName === "INPUT" ? ["remove_button"] : [],
    create: "create" in field.dataset,
    maxOptions: 200,
    hidePlaceholder: true,
    render: {
      option: (item, escape) => `<div>${escape(item.text)}${item.sub ? ` <span class="fd-meta">${escape(item.sub)}</span>` : ""}</div>`,
      option_create: (item, escape) => `<div class="create">+ <strong>${escape(item.input)}</strong></div>`,
      no_results: () => `<div class="no-results">–</div>`,
    },
  };
  if (url) {
    Object.assign(settings, {
      valueField: "value",
      labelField: "text",
      searchField: ["text", "sub"],
      load: async (words, done) => {
        try {
          const answer = await fetch(`${url}${url.includes("?") ? "&" : "?"}q=${encodeURIComponent(words)}`, { headers: { Accept: "application/json" } });
          done(answer.ok ? await answer.json() : []);
        } catch {
          done([]);
        }
      },
    });
  }
  const name = field.getAttribute("aria-label") ?? field.labels?.[0]?.textContent.trim();
  new TomSelect(field, settings);
  // The label goes to the new control; the hidden field keeps a name of its own.
  if (name) field.setAttribute("aria-label", name);
}
