"use strict";
// Keeps the page as the server has it. Every text comes escaped from there.

const SILENT_AFTER_MS = 8000;
const RETRY_AFTER_MS = 5000;

const root = document.documentElement;
const lots = document.getElementById("lots");
let revision = root.dataset.revision;
let ahead = Number(root.dataset.now) - Date.now();
let heardAt = performance.now();

function tick() {
  const isLost = performance.now() - heardAt > SILENT_AFTER_MS;
  document.getElementById("lost").hidden = !isLost;
  root.classList.toggle("is-lost", isLost);
  if (isLost) return;
  const now = Date.now() + ahead;
  for (const clock of document.querySelectorAll("time[data-offset]")) {
    const local = new Date(now + 1000 * Number(clock.dataset.offset));
    clock.textContent = local.toISOString().slice(11, 19);
  }
}

function arrange(order) {
  const cards = new Map([...lots.children].map((card) => [card.dataset.lot, card]));
  if (order.length !== cards.size || !order.every((lot) => cards.has(lot))) {
    location.reload();
    return;
  }
  order.forEach((lot, place) => {
    if (lots.children[place] !== cards.get(lot)) {
      lots.insertBefore(cards.get(lot), lots.children[place]);
    }
  });
}

function take(message) {
  const { now, parts, order } = JSON.parse(message.data);
  heardAt = performance.now();
  ahead = now - Date.now();
  if (message.lastEventId) revision = message.lastEventId;
  if (order) arrange(order);
  for (const [id, html] of Object.entries(parts)) {
    const part = document.getElementById(id);
    if (part) part.innerHTML = html;
  }
  tick();
}

function listen() {
  const live = new EventSource(`/live?after=${encodeURIComponent(revision)}`);
  live.addEventListener("parts", take);
  live.addEventListener("reload", () => location.reload());
  live.addEventListener("error", () => {
    // A browser gives up after an answer such as 503.
    if (live.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_AFTER_MS);
  });
}

setInterval(tick, 1000);
tick();
listen();
