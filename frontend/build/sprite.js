// Makes one SVG sprite of the Tabler icons that templates and Python name.
//
// A name counts when it stands in quotes in a template or in Python, and Tabler has an outline icon of that
// name: a few words too many cost less than an icon that is missing. src/icons.txt adds names that code composes.
import { readdir, readFile } from "node:fs/promises";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const ICONS = dirname(dirname(createRequire(import.meta.url).resolve("@tabler/icons/outline/star.svg")));
const QUOTED = /["']([a-z][a-z0-9-]*)["']/g;

export function sprite({ templates, python, extra, logo }) {
  return {
    name: "sprite",
    apply: "build",
    async generateBundle() {
      const names = new Set(["star"]);
      for (const line of (await readFile(extra, "utf8")).split("\n")) {
        const name = line.replace(/#.*/, "").trim();
        if (!name) continue;
        if (!existsSync(outline(name))) this.error(`src/icons.txt: Tabler has no icon "${name}"`);
        names.add(name);
      }
      for (const [folder, ending] of [[templates, ".html"], [python, ".py"]]) {
        for (const text of await texts(folder, ending)) collect(text, names);
      }
      const symbols = [...names].sort().flatMap((name) => [symbol(name, outline(name)), ...(filledToo(name) ? [symbol(`${name}-filled`, filled(name))] : [])]);
      this.emitFile({ type: "asset", name: "icons.svg", source: `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>` });
      this.emitFile({ type: "asset", name: "logo.svg", source: readFileSync(logo, "utf8") });
    },
  };
}

const outline = (name) => join(ICONS, "outline", `${name}.svg`);
const filled = (name) => join(ICONS, "filled", `${name}.svg`);
const filledToo = (name) => name === "star";

function symbol(id, path) {
  const drawing = readFileSync(path, "utf8").replace(/<!--[\s\S]*?-->/g, "").replace(/^[\s\S]*?<svg[^>]*>/, "").replace(/<\/svg>[\s\S]*$/, "").replace(/\s+/g, " ").replace(/> </g, "><").trim();
  return `<symbol id="${id}" viewBox="0 0 24 24">${drawing}</symbol>`;
}

function collect(text, names) {
  for (const [, name] of text.matchAll(QUOTED)) if (existsSync(outline(name))) names.add(name);
}

async function texts(folder, ending) {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return Promise.all(entries.filter((entry) => entry.isFile() && entry.name.endsWith(ending)).map((entry) => readFile(join(entry.parentPath, entry.name), "utf8")));
}
