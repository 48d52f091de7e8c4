// What is pleasant but not needed: fresh figures, live events, copying. Texts are only ever set as text.
"use strict";

const BETWEEN = 1000;
const ROWS = 200;

function refresh(main) {
  const seconds = Number(main.dataset.refresh);
  setInterval(async () => {
    const busy = document.hidden || main.contains(document.activeElement) || !getSelection().isCollapsed;
    if (busy) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (fresh) main.replaceChildren(...fresh.childNodes);
      document.querySelector("footer").replaceWith(page.querySelector("footer"));
      zone();
    } catch {
      // it is being restarted; the next look finds it
    }
  }, seconds * BETWEEN);
}

const LOCAL = "local-time";
const two = (number) => String(number).padStart(2, "0");

function local(at) {
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return at.toDateString() === new Date().toDateString() ? time : `${day} ${time}`;
}

function zone() {
  const wanted = localStorage.getItem(LOCAL) === "yes";
  for (const one of document.querySelectorAll("time.clock")) {
    one.dataset.utc ??= one.textContent;
    const at = new Date(one.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    one.textContent = wanted ? local(at) : one.dataset.utc;
    one.title = one.dateTime;
  }
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  document.getElementById("zone").textContent = wanted ? `local (${name})` : "UTC";
  const button = document.getElementById("local");
  button.hidden = false;
  button.textContent = wanted ? "Show UTC" : "Show local time";
  button.onclick = () => {
    localStorage.setItem(LOCAL, wanted ? "no" : "yes");
    zone();
  };
}

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function cell(label, ...parts) {
  const made = element("td", undefined, { "data-label": label });
  made.append(...parts);
  return made;
}

function row(event, root) {
  const at = event.at === null ? "no time" : new Date(event.at * 1000).toISOString();
  const path = [event.target, event.source, event.resource].map(encodeURIComponent).join("/");
  const made = element("tr", undefined, { class: "fresh" });
  const time = element("time", event.at === null ? at : at.slice(11, 19), { title: at });
  if (event.at !== null) {
    time.className = "clock";
    time.dateTime = at;
  }
  const link = event.resource
    ? element("a", event.name || event.resource, { href: `${root}resources/${path}` })
    : element("span", "none", { class: "quiet" });
  const why = event.rule ? `rule ${event.rule}` : `no rule (${event.unmapped})`;
  const notes = element("small", [event.reason, why, ...event.changes, ""].join(" · "));
  notes.append(element("a", "why?", { href: `${root}mappings?event=${event.id}` }));
  made.append(
    cell("Time", time, " ", element("small", "now")),
    cell("Severity", element("span", event.severity, { class: `badge ${event.severity}` })),
    cell("Resource", link, element("br"), element("small", `${event.target} / ${event.source}`)),
    cell("What happened", element("span", event.text, { class: "text" }), element("br"), notes),
    cell("Counted", event.times ? String(event.times) : "history"),
  );
  made.lastChild.className = "number";
  return made;
}

function listen(said) {
  const body = document.querySelector("table.events tbody");
  const source = new EventSource(said.dataset.stream);
  let heard = 0;
  source.onopen = () => { said.textContent = heard ? said.textContent : "Live: new events appear at the top."; };
  source.onmessage = (message) => {
    body.prepend(row(JSON.parse(message.data), said.dataset.root));
    zone();
    while (body.rows.length > ROWS) body.lastElementChild.remove();
    heard += 1;
    said.textContent = `Live: ${heard} new since this page was opened.`;
  };
  source.onerror = () => { said.textContent = "Not live: the exporter does not answer; trying again."; };
  addEventListener("pagehide", () => source.close());
}

function copying(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(text);
      button.textContent = "Selected: press Ctrl+C";
    }
  });
}

const main = document.getElementById("main");
const live = document.getElementById("live");
zone();
if (main.dataset.refresh) refresh(main);
if (live && !live.dataset.old) listen(live);
document.querySelectorAll("[data-copy]").forEach(copying);
