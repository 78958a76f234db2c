// Search, and light or dark by hand. The index is loaded when somebody asks.
"use strict";

const root = document.documentElement;
try {
  root.style.colorScheme = localStorage.getItem("scheme") || "";
} catch {} // a file opened from a disk may have no storage

document.querySelector("[data-scheme]").addEventListener("click", () => {
  const dark = (root.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  root.style.colorScheme = dark ? "light" : "dark";
  try {
    localStorage.setItem("scheme", root.style.colorScheme);
  } catch {}
  dispatchEvent(new Event("themechange"));
});

if (matchMedia("(max-width: 56rem)").matches) document.querySelector(".aside details")?.removeAttribute("open");

const field = document.querySelector(".search input");
const list = document.querySelector(".search ol");
const said = document.querySelector(".search [role=status]");

function load() {
  if (document.querySelector("script[data-index]")) return;
  const script = document.createElement("script");
  script.src = "search.js";
  script.dataset.index = "";
  script.addEventListener("load", look);
  document.head.append(script);
}

function score(entry, words) {
  const [title, text] = [entry.title.toLowerCase(), entry.text.toLowerCase()];
  let sum = 0;
  for (const word of words) {
    const at = title.indexOf(word);
    const inside = text.split(word).length - 1;
    if (at < 0 && !inside) return 0;
    sum += (title === word ? 100 : 0) + (at >= 0 ? 20 + (/(^|[^a-z])$/.test(title.slice(0, at)) ? 20 : 0) : 0) + Math.min(inside, 5);
  }
  return sum - title.length / 100;
}

function look() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  list.replaceChildren();
  said.textContent = "";
  if (!window.INDEX) load();
  if (!words.length || !window.INDEX) return;
  const found = window.INDEX.map((entry) => [score(entry, words), entry]).filter(([points]) => points > 0);
  found.sort(([a], [b]) => b - a);
  for (const [, entry] of found.slice(0, 12)) {
    const link = document.createElement("a");
    link.href = entry.address;
    const at = Math.max(0, entry.text.toLowerCase().indexOf(words[0]) - 30);
    const beside = document.createElement("small");
    beside.textContent = `${entry.kind} · ${entry.text.slice(at, at + 120)}`;
    link.append(entry.title, beside);
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  said.textContent = found.length ? `${found.length} found` : "nothing found";
}

field.addEventListener("focus", load);
field.addEventListener("input", look);
document.querySelector(".search").addEventListener("submit", (event) => {
  event.preventDefault();
  list.querySelector("a")?.click();
});
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName) && document.activeElement.type !== "range";
  if (event.key === "/" && !typing) {
    event.preventDefault();
    field.focus();
  }
  const links = [...list.querySelectorAll("a")];
  if (!links.length) return;
  if (event.key === "Escape") {
    list.replaceChildren();
    field.focus();
  }
  const here = links.indexOf(document.activeElement);
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && (here >= 0 || document.activeElement === field)) {
    event.preventDefault();
    const next = here + (event.key === "ArrowDown" ? 1 : -1);
    (next < 0 ? field : links[Math.min(next, links.length - 1)]).focus();
  }
});
document.addEventListener("click", (event) => event.target.closest(".search") || list.replaceChildren());
