// Makes elements; data only ever enters as text, so nothing has to be escaped.
const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. `on…` sets a listener, `text` its text; null and false attributes are left out. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const find = (id) => document.getElementById(id);

/** A horizontal bar, `share` of its track; decoration beside a number that says the same. */
export function bar(share, kind = "") {
  const track = h("span", { class: `bar ${kind}`, "aria-hidden": "true" }, h("span"));
  track.firstChild.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return track;
}

/** A word in the colour of its risk band. */
export function pill(risk, word) {
  return h("span", { class: `pill ${risk}`, text: word });
}
