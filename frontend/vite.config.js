// The build of everything a browser loads: one bundle, charts apart, an icon sprite, all pre-compressed.
import { defineConfig } from "vite";
import { resolve } from "node:path";
import { compressed } from "./build/compressed.js";
import { slots } from "./build/slots.js";
import { sprite } from "./build/sprite.js";

const here = import.meta.dirname;

export default defineConfig({
  root: here,
  base: "/assets/",
  publicDir: false,
  plugins: [
    slots(),
    sprite({ templates: resolve(here, "../templates"), python: resolve(here, "../crm"), extra: resolve(here, "src/icons.txt"), logo: resolve(here, "src/logo.svg") }),
    compressed(),
  ],
  build: {
    outDir: process.env.FRONTEND_OUT || resolve(here, "../crm/static/dist"),
    emptyOutDir: true,
    assetsDir: "",
    assetsInlineLimit: 0,
    manifest: true,
    modulePreload: { polyfill: false },
    target: "es2022",
    reportCompressedSize: false,
    rollupOptions: { input: { main: resolve(here, "src/main.js"), chart: resolve(here, "src/chart.js") } },
  },
});
