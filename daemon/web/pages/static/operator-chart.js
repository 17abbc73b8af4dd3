// The chart of events per minute, in the page's own colours. Refuses to be the only place where they are told.

let chart = null;
let newest = null;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Draw the minutes, or draw them anew. */
export function drawEvents(minutes) {
  newest = minutes;
  const labels = minutes.map((minute) => minute.minute_at.slice(11, 16));
  const folded = minutes.map((minute) => minute.events - minute.ignored);
  const ignored = minutes.map((minute) => minute.ignored);
  if (chart) {
    chart.data.labels = labels;
    chart.data.datasets[0].data = folded;
    chart.data.datasets[1].data = ignored;
    chart.update("none");
    return;
  }
  const ink = colour("--soft");
  const grid = colour("--grid");
  chart = new Chart(document.getElementById("events-chart"), {
    type: "bar",
    data: {
      labels,
      datasets: [
        { label: "ours", data: folded, backgroundColor: colour("--fitness"), stack: "events" },
        { label: "ignored", data: ignored, backgroundColor: colour("--load"), stack: "events" },
      ],
    },
    options: {
      animation: false,
      maintainAspectRatio: false,
      scales: {
        x: { stacked: true, grid: { display: false }, ticks: { color: ink, maxTicksLimit: 6, maxRotation: 0 } },
        y: { stacked: true, beginAtZero: true, suggestedMax: 4, grid: { color: grid }, ticks: { color: ink, precision: 0, maxTicksLimit: 5 } },
      },
      plugins: { legend: { position: "bottom", labels: { color: ink, boxWidth: 12 } } },
    },
  });
}

// Colours are read when a chart is made: another theme takes another chart.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  chart?.destroy();
  chart = null;
  if (newest) drawEvents(newest);
});
