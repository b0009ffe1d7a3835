// The start of every page. Each module takes care of one thing and finds its own elements.
import { startThemes } from "./theme.js";
import { startTimes } from "./times.js";
import { startOverlays } from "./overlays.js";
import { startKeys } from "./keys.js";
import { startPalette } from "./palette.js";
import { startLists } from "./lists.js";
import { startForms } from "./forms.js";
import { startRequests } from "./requests.js";

startThemes();
startTimes();
startOverlays();
startForms();
startRequests();
startLists();
startKeys();
startPalette();

const later = [
  ["[data-chart]", "./charts.js", "startCharts"],
  ["[data-live]", "./live.js", "startLive"],
  ["[data-editor]", "./editor.js", "startEditor"],
  ["[data-await-event]", "./onboarding.js", "startOnboarding"],
];
for (const [selector, module, start] of later) {
  if (document.querySelector(selector)) import(module).then((found) => found[start]());
}
