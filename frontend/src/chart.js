// Charts of pages that ask for them: each reads its figures from the JSON beside it, and has a table beneath it.
import { BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip } from "chart.js";
import { each } from "./js/dom.js";

Chart.register(BarController, BarElement, CategoryScale, Legend, LinearScale, LineController, LineElement, PointElement, Tooltip);

const TONES = { accent: "--fill", soft: "--soft-line", grey: "--grey", pale: "--pale", amber: "--amber", red: "--red", warm: "--warm", cold: "--cold", ok: "--ok" };
const charts = new Map();

each("[data-chart]", (figure) => draw(figure));

for (const [target, type] of [[document, "fd:theme"], [matchMedia("(prefers-color-scheme: dark)"), "change"]]) {
  target.addEventListener(type, () => {
    for (const figure of charts.keys()) draw(figure);
  });
}

function draw(figure) {
  const source = document.getElementById(figure.dataset.chart);
  const canvas = figure.querySelector("canvas");
  if (!source || !canvas) return;
  charts.get(figure)?.destroy();
  figure.dataset.drawn = "";
  const { kind, labels, series, stacked } = JSON.parse(source.textContent);
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const datasets = series.map(({ label, values, tone }) => {
    const paint = colour(TONES[tone] ?? "--fill");
    return { label, data: values, borderColor: paint, backgroundColor: paint, borderWidth: kind === "line" ? 2 : 0, borderRadius: kind === "bar" ? 4 : 0, pointRadius: 0, pointHoverRadius: 4, tension: 0.3, maxBarThickness: 36, spanGaps: true };
  });
  charts.set(
    figure,
    new Chart(canvas, {
      type: kind,
      data: { labels, datasets },
      options: {
        responsive: true,
        maintainAspectRatio: false,
        animation: false,
        interaction: { mode: "index", intersect: false },
        locale: document.documentElement.lang || undefined,
        font: { family: style.getPropertyValue("--font") },
        scales: {
          x: { stacked, grid: { display: false }, border: { color: colour("--line2") }, ticks: { color: colour("--ink3"), maxRotation: 0, autoSkipPadding: 16, font: { size: 11, family: "Inter Variable" } } },
          y: { stacked, beginAtZero: true, grid: { color: colour("--line") }, border: { display: false }, ticks: { color: colour("--ink3"), precision: 0, maxTicksLimit: 5, font: { size: 11, family: "Inter Variable" } } },
        },
        plugins: {
          legend: { display: datasets.length > 1, align: "start", labels: { color: colour("--ink2"), boxWidth: 8, boxHeight: 8, useBorderRadius: true, borderRadius: 2, font: { size: 12, family: "Inter Variable" } } },
          tooltip: { backgroundColor: colour("--bar"), titleColor: colour("--bar-ink"), bodyColor: colour("--bar-ink"), padding: 10, cornerRadius: 8, boxPadding: 4 },
        },
      },
    }),
  );
}
