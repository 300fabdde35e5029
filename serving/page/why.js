// "Why": what pushed the estimate up and down, as signed bars; left out where nothing was sent.
import { find, h } from "./dom.js";
import * as say from "./i18n.js";
import { known, t } from "./i18n.js";

/** @param explanation {base, contributions: [{group, change}]}: signed changes in probability */
export function showWhy(explanation) {
  const host = find("flight-why");
  host.replaceChildren();
  const shown = (explanation?.contributions ?? []).filter((each) => each.change !== 0);
  if (!shown.length) return;
  const largest = Math.max(...shown.map((each) => Math.abs(each.change)));
  host.append(h("section", { class: "panel", "aria-labelledby": "why-title" },
    h("h2", { id: "why-title", text: t("why.title") }),
    h("p", { text: t("why.lead") }),
    h("ul", { class: "why" }, shown.map((each) => row(each, largest)))));
}

function row({ group, change }, largest) {
  const raises = change >= 0;
  const track = h("span", { class: `signed ${raises ? "up" : "down"}`, "aria-hidden": "true" },
    h("span"));
  track.firstChild.style.width = `${(Math.abs(change) / largest) * 50}%`;
  const points = `${raises ? "+" : "−"}${say.decimal(Math.abs(change) * 100, 1)}`;
  return h("li", {}, h("span", { class: "fact", text: t(`group.${group}`) }), track,
    h("span", { class: "points", text: points }),
    h("span", { class: "unseen", text: t(raises ? "why.raises" : "why.lowers") }));
}

export function factName(key) {
  return known(`feature.${key}`) ? t(`feature.${key}`) : String(key).replaceAll("_", " ");
}
