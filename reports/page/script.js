
"use strict";
(() => {
const $ = (s, at = document) => at.querySelector(s), $$ = (s, at = document) => [...at.querySelectorAll(s)];
const data = JSON.parse($("#data").textContent);
document.documentElement.classList.add("scripted");

// Sorting: a button in each column's head. Rows without a figure stay last.
function sortable(table) {
  const heads = $$("thead th:not(.group)", table);
  heads.forEach((th, i) => {
    const b = document.createElement("button"), link = $("a", th), name = th.textContent;
    b.type = "button"; b.className = "sort"; b.setAttribute("aria-label", "sort by " + name);
    if (!link) { b.append(name); th.textContent = ""; }
    th.append(b);
    b.addEventListener("click", () => {
      const up = th.getAttribute("aria-sort") !== "ascending";
      heads.forEach(h => h.setAttribute("aria-sort", "none"));
      th.setAttribute("aria-sort", up ? "ascending" : "descending");
      const key = r => {
        const c = r.children[i];
        if (!c || r.querySelector(".note")) return null;
        if (c.tagName === "TH") return [...c.childNodes].filter(n => n.nodeType === 3 || n.tagName === "A").map(n => n.textContent).join("").trim(); // not its glyph
        if (c.dataset.v === "") return c.classList.contains("left") ? c.textContent : null;
        return Number(c.dataset.v);
      };
      const rows = $$("tbody tr:not(.flags)", table).map((r, n) => [key(r), n, r, r.nextElementSibling]);
      rows.sort(([a, m], [b, n]) => a === null || b === null ? (a === null) - (b === null) || m - n
        : (a < b ? -1 : a > b ? 1 : 0) * (up ? 1 : -1) || m - n);
      rows.forEach(([, , r, next]) => table.tBodies[0].append(r, ...next && next.matches(".flags") ? [next] : []));
    });
  });
}
$$("table.sortable").forEach(sortable);

// State lives in the hash: "#w=3,1&max=,5&class=sync&hide=bbolt&theme=dark". Any
// other hash is an anchor and left alone.
let state = {};
const parts = data.chooser ? data.chooser.components : [];
function read() {
  state = {w: parts.map(c => c.weight), max: parts.map(() => ""), class: data.chooser && data.chooser.classes[0].name, nocgo: false, hide: [], theme: ""};
  const h = location.hash.slice(1);
  if (!h.includes("=")) return;
  const q = new URLSearchParams(h), list = k => (q.get(k) || "").split(",");
  if (q.has("w")) list("w").slice(0, parts.length).forEach((v, i) => { if (v !== "" && v >= 0 && v <= 10) state.w[i] = Number(v); });
  if (q.has("max")) list("max").slice(0, parts.length).forEach((v, i) => { if (v !== "" && Number(v) >= 0) state.max[i] = Number(v); });
  if (data.chooser && data.chooser.classes.some(c => c.name === q.get("class"))) state.class = q.get("class");
  state.nocgo = q.get("nocgo") === "1";
  state.hide = list("hide").filter(n => data.engines.includes(n));
  state.theme = ["dark", "light"].includes(q.get("theme")) ? q.get("theme") : "";
}
function write() {
  const q = new URLSearchParams();
  if (state.w.some((v, i) => v !== parts[i].weight)) q.set("w", state.w.join(","));
  if (state.max.some(v => v !== "")) q.set("max", state.max.join(","));
  if (data.chooser && state.class !== data.chooser.classes[0].name) q.set("class", state.class);
  if (state.nocgo) q.set("nocgo", "1");
  if (state.hide.length) q.set("hide", state.hide.join(","));
  if (state.theme) q.set("theme", state.theme);
  const h = q.toString().replaceAll("%2C", ",");
  try { history.replaceState(null, "", h ? "#" + h : location.pathname + location.search); } catch { location.hash = h; }
}

function show() {
  $$("tr[data-engine]").forEach(r => { r.hidden = state.hide.includes(r.dataset.engine); });
  $$("#filter input").forEach(b => { b.checked = !state.hide.includes(b.value); });
  const dark = state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  if (state.theme) document.documentElement.dataset.theme = state.theme; else delete document.documentElement.dataset.theme;
  $("#theme").textContent = dark ? "light" : "dark";
  $("#theme").setAttribute("aria-label", "show in " + (dark ? "light" : "dark") + " colours");
  if (data.chooser) choose();
}

// The ranking: the weighted geometric mean of the ratios to the best.
const fmt = v => v === null ? "-" : v >= 100 ? v.toFixed(0) : v >= 10 ? v.toFixed(1) : v.toFixed(2);
function el(tag, text, cls) { const e = document.createElement(tag); e.textContent = text; if (cls) e.className = cls; return e; }
function choose() {
  const c = data.chooser.classes.find(c => c.name === state.class), out = [...c.excluded];
  $$("#chooser [name=class]").forEach(r => { r.checked = r.value === c.name; });
  parts.forEach((p, i) => {
    $("#w-" + p.key).value = state.w[i]; $("#w-" + p.key).nextElementSibling.value = state.w[i]; $("#m-" + p.key).value = state.max[i];
    const offered = c.best[i] !== null;
    $("#w-" + p.key).disabled = $("#m-" + p.key).disabled = !offered;
  });
  $("#nocgo").checked = state.nocgo;
  const used = parts.map((p, i) => i).filter(i => state.w[i] > 0 && c.best[i] !== null);
  const sum = used.reduce((a, i) => a + state.w[i], 0);
  const score = v => Math.exp(used.reduce((a, i) => a + state.w[i] * Math.log(v[i] / c.best[i]), 0) / sum);
  const rank = [];
  for (const e of c.engines) {
    const over = parts.map((p, i) => i).filter(i => state.max[i] !== "" && c.best[i] !== null && !(e.values[i] <= state.max[i] * parts[i].scale));
    const none = used.filter(i => e.values[i] === null);
    if (state.hide.includes(e.name)) continue;
    if (state.nocgo && e.cgo) out.push(e.name + " needs cgo");
    else if (over.length) out.push(e.name + " is above a limit: " + over.map(i => parts[i].name + " " + (e.values[i] === null ? "not measured" : fmt(e.values[i] / parts[i].scale) + " " + parts[i].unit)).join(", "));
    else if (none.length) out.push(e.name + " has no figure for " + none.map(i => parts[i].name).join(", "));
    else if (sum > 0) rank.push({e, s: score(e.values), lo: score(e.lo), hi: score(e.hi)});
  }
  rank.sort((a, b) => a.s - b.s);
  const body = $("#ranking tbody");
  body.replaceChildren(...rank.map((r, n) => {
    const tr = el("tr", ""), th = el("th", ""), g = el("span", r.e.glyph, "glyph e-" + r.e.name), a = el("a", r.e.name);
    a.href = "#" + r.e.href; th.scope = "row"; g.setAttribute("aria-hidden", "true"); th.append(g, " ", a); tr.append(th);
    const range = el("td", fmt(r.s)); range.append(el("small", fmt(r.lo) + "\u2013" + fmt(r.hi) + (n && r.lo <= rank[0].hi ? ", overlaps the first" : "")));
    tr.append(el("td", String(n + 1)), range, ...parts.map((p, i) => el("td", r.e.values[i] === null || c.best[i] === null ? "-" : fmt(r.e.values[i] / c.best[i]) + "\u00d7")));
    [...tr.children].forEach(td => { if (td.tagName === "TD") td.dataset.v = parseFloat(td.textContent) || ""; });
    return tr;
  }));
  $$("#ranking thead th").forEach(h => h.setAttribute("aria-sort", "none"));
  $("#ranking caption").textContent = "Ranking under " + c.name + ": " + c.load;
  $("#flips").replaceChildren(...flips(rank, c, used).map(t => el("li", t)));
  $("#excluded").replaceChildren(...out.map(t => el("li", t)));
}

// The first changes where the weighted logarithms of two engines meet: a line in each weight.
function flips(rank, c, used) {
  if (!rank.length) return [used.length ? "No engine is left: every one is excluded." : "Every weight is 0: nothing is ranked."];
  const best = rank[0].e, out = [];
  parts.forEach((p, j) => {
    if (c.best[j] === null || best.values[j] === null) return;
    let up = null, down = null;
    for (const {e} of rank.slice(1)) {
      if (e.values[j] === null) continue;
      const d = Math.log(best.values[j] / e.values[j]);
      const rest = used.filter(i => i !== j).reduce((a, i) => a + state.w[i] * Math.log(best.values[i] / e.values[i]), 0);
      const w = -rest / d;
      if (!isFinite(w)) continue;
      if (d > 0 && w > state.w[j] && w <= 100 && (!up || w < up[0])) up = [w, e.name];
      if (d < 0 && w < state.w[j] && w >= 0 && (!down || w > down[0])) down = [w, e.name];
    }
    if (up) out.push("The ranking flips to " + up[1] + " when the weight of " + p.name + " > " + fmt(up[0]) + ".");
    if (down) out.push("The ranking flips to " + down[1] + " when the weight of " + p.name + " < " + fmt(down[0]) + ".");
  });
  return out.length ? out : [best.name + " stays first whatever one of the weights is (0 to 100, the others as they are)."];
}

const on = (s, type, f) => $$(s).forEach(e => e.addEventListener(type, ev => { f(ev.target); show(); write(); }));
on("#filter input", "change", b => { state.hide = $$("#filter input").filter(b => !b.checked).map(b => b.value); });
on("#all", "click", () => { state.hide = []; });
on("#theme", "click", b => { state.theme = b.textContent; });
on("#chooser [name=class]", "change", r => { state.class = r.value; });
on("#chooser [type=range]", "input", () => { state.w = parts.map(p => Number($("#w-" + p.key).value)); });
on("#chooser [type=number]", "input", () => { state.max = parts.map(p => { const v = $("#m-" + p.key).value; return v === "" ? "" : Number(v); }); });
on("#nocgo", "change", b => { state.nocgo = b.checked; });
on("#reset", "click", () => { state.w = parts.map(c => c.weight); state.max = parts.map(() => ""); state.nocgo = false; });
addEventListener("hashchange", () => { if (location.hash.includes("=")) { read(); show(); } });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);

// A folded part that a link leads into opens; on paper all are open.
const open = () => { const t = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1))); const d = t && t.closest("details"); if (d) { d.open = true; t.scrollIntoView(); } };
addEventListener("hashchange", open);
let folded = [];
addEventListener("beforeprint", () => { folded = $$("details:not([open])"); folded.forEach(d => { d.open = true; }); });
addEventListener("afterprint", () => folded.forEach(d => { d.open = false; }));
read(); show(); open();
})();
