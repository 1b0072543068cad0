"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const ROW = 30, SPARE = 12, DEEPEST = 5;
  const LEVELS = { TRACE: 5, DEBUG: 10, INFO: 20, WARNING: 30, ERROR: 40, CRITICAL: 50 };
  const $ = (id) => document.getElementById(id);
  const list = $("list"), spacer = $("spacer"), detail = $("detail"), tip = $("tip");
  /* What is empty isn't in the data. */
  const TRACE = { titled: false, together: 0, ticks: [], folds: [], knots: [] }, LINE = { t: "", l: "", m: "", f: [], x: "", c: "", n: 1, b: false };
  const NODE = { fn: "", version: "", outcome: "success", mark: "✓", failed: false, retry: false, children: 0, took: "", aws: 0, waited: "", facts: [], from: "",
    ids: [], error: null, notes: [], lines: [], left_out: 0, begin: null, end: null, wait: null, init: null, depth: 0, causes: [], on: [], died: "" };
  const traces = data.traces.map((trace) => ({ ...TRACE, ...trace }));
  const nodes = data.nodes.map((node) => ({ ...NODE, ...node, lines: node.lines.map((line) => ({ ...LINE, ...line })) }));
  traces.forEach((trace, place) => { for (let at = trace.first; at < trace.first + trace.count; at++) nodes[at].trace = place; });
  const idOf = (node, name) => (node.ids.find(([other]) => other === name) || ["", ""])[1];
  for (const node of nodes) node.key ||= idOf(node, "invocation");
  const state = { query: [], fn: "", level: 0, failed: false, cause: "", on: "", folded: new Set(), chosen: -1, rows: [], drawn: new Map() };

  /** Make an element. Text only ever becomes text: nothing of a log is parsed as HTML. */
  function make(tag, className, ...children) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    for (const child of children) if (child != null && child !== "") element.append(child);
    return element;
  }

  const functions = [...new Set(nodes.filter((node) => !node.stray).map((node) => node.fn))].sort();
  /* A function has the map's colour; one that the map leaves out has its first. */
  const hueOf = new Map([...document.querySelectorAll("#map [data-fn] .own")].map((own) => [own.parentNode.dataset.fn, getComputedStyle(own).getPropertyValue("--hue")]));
  const kindOf = (node) =>
    node.failed ? "failed" : node.outcome === "unfinished" || node.stray ? "unfinished" : node.outcome === "suspended" ? "suspended" : "";

  /* ---- what is shown ---- */
  function haystack(node) {
    if (node.hay === undefined) {
      const lines = node.lines.map((line) => [line.m, line.f.map(([key, value]) => `${key}=${value}`).join(" "), line.x].join(" "));
      node.hay = [node.fn, node.ids.map(([, value]) => value), node.outcome, node.facts.flat(), node.error && node.error.text,
        node.notes.map((note) => note.text), lines].flat(2).join("\n").toLowerCase();
    }
    return node.hay;
  }

  let edges = new Set();
  function matches(node) {
    if (state.fn && node.fn !== state.fn) return false;
    if (state.failed && !node.failed) return false;
    if (state.cause && !node.causes.includes(state.cause)) return false;
    if (state.on && !node.on.some((number) => edges.has(number))) return false;
    if (state.level && !node.lines.some((line) => (LEVELS[line.l] || 0) >= state.level) && !(node.failed && state.level <= 40)) return false;
    return state.query.every((term) => haystack(node).includes(term));
  }

  const filtered = () => state.query.length > 0 || state.fn !== "" || state.failed || state.cause !== "" || state.on !== "" || state.level > 0;

  function refresh() {
    const rows = [], plain = !filtered();
    let shown = 0, failed = 0;
    for (const trace of traces) {
      const fitting = [];
      let hiddenBelow = Infinity;
      for (let at = trace.first; at < trace.first + trace.count; at++) {
        const node = nodes[at];
        if (!plain && !matches(node)) continue;
        shown += node.stray ? 0 : 1;
        failed += node.failed ? 1 : 0;
        if (plain && node.depth > hiddenBelow) continue;
        hiddenBelow = plain && state.folded.has(at) ? node.depth : Infinity;
        fitting.push({ node: at });
        if (node.died && hiddenBelow === Infinity) fitting.push({ died: at });
      }
      if (fitting.length && trace.titled) rows.push({ trace });
      if (!(plain && trace.titled && state.folded.has(trace))) for (const row of fitting) rows.push(row);
    }
    state.rows = rows;
    map.show(state.fn, state.on);
    spacer.style.height = `${rows.length * ROW}px`;
    $("nothing").hidden = rows.length > 0;
    summarize(shown, failed);
    forget();
    if (!rows.some((row) => row.node === state.chosen)) choose((rows.find((row) => row.node !== undefined) || { node: -1 }).node, false);
    draw();
    showDetail();
    remember();
  }

  function summarize(shown, failed) {
    const of = shown === data.count ? "" : ` of ${data.count.toLocaleString("en")}`;
    const summary = $("summary");
    summary.replaceChildren(`${shown.toLocaleString("en")}${of} invocation${data.count === 1 ? "" : "s"}`);
    if (failed) summary.append(" · ", make("b", "", `${failed.toLocaleString("en")} failed`));
    if (data.left_out) $("left-out").textContent = data.left_out;
    summary.append(` · ${functions.length} function${functions.length === 1 ? "" : "s"} · ${data.about}`);
  }

  /* ---- the waterfall: only what is in sight is in the document ---- */
  function forget() {
    for (const element of state.drawn.values()) element.remove();
    state.drawn.clear();
  }

  function draw() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - SPARE);
    const last = Math.min(state.rows.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + SPARE);
    for (const [at, element] of state.drawn) {
      if (at < first || at >= last) { element.remove(); state.drawn.delete(at); }
    }
    for (let at = first; at < last; at++) {
      if (state.drawn.has(at)) continue;
      const element = drawRow(state.rows[at]);
      element.style.top = `${at * ROW}px`;
      element.dataset.at = at;
      element.id = `row-${at}`;
      element.setAttribute("aria-setsize", state.rows.length);
      element.setAttribute("aria-posinset", at + 1);
      state.drawn.set(at, element);
      spacer.append(element);
    }
    mark();
  }

  function drawLabel(depth) {
    const label = make("div", "label");
    for (let at = 0; at < Math.min(depth, DEEPEST); at++) label.append(make("span", "guide"));
    if (depth > DEEPEST) label.append(make("span", "deep", `⋯${depth}`));
    return label;
  }

  /** A dead-letter queue is where a way ends: a leaf of the tree. */
  function drawDied(node) {
    const [name, count = ""] = node.died.split("  "), label = drawLabel(node.depth + 1), track = make("div", "track");
    label.append(make("span", "twist"), make("span", "sign", "✉"), make("span", "text", lit(name), " ", make("small", "", lit(count))));
    const element = make("div", "row died", label, track, make("span", "took"));
    for (const tick of time.ticks(traces[node.trace])) place(track, make("i", "grid"), tick[0]);
    if (node.end !== null) place(track, make("i", "fall"), Math.min(node.end, 0.99));
    element.setAttribute("role", "option");
    element.setAttribute("aria-label", `${name}, ${count}`);
    element.title = node.died;
    return element;
  }

  function drawRow(row) {
    if (row.trace) return drawHeading(row.trace);
    if (row.died !== undefined) return drawDied(nodes[row.died]);
    const node = nodes[row.node], trace = traces[node.trace];
    const label = drawLabel(node.depth);
    label.append(make("span", "twist", node.children ? (state.folded.has(row.node) ? "▸" : "▾") : ""));
    label.append(make("span", "sign", node.mark), make("span", "text", node.retry ? "↻ " : "", node.fn, " ", make("small", "", node.from)));
    const element = make("div", `row ${kindOf(node)}`, label, drawTrack(node, trace), make("span", "took", node.took));
    element.setAttribute("role", "option");
    element.setAttribute("aria-label", `${node.fn}, ${node.outcome}, ${node.took}`);
    return element;
  }

  function drawTrack(node, trace) {
    const track = make("div", "track");
    for (const tick of time.ticks(trace)) place(track, make("i", "grid"), tick[0]);
    for (const fold of trace.folds) place(track, make("i", "gap"), fold[0], fold[1]);
    if (node.begin === null) return track;
    track.style.setProperty("--hue", hueOf.get(node.fn) || 217);
    if (node.wait !== null) place(track, make("i", "wait"), node.wait, node.begin);
    if (node.init !== null) place(track, make("i", "init"), node.init, node.begin);
    const bar = place(track, make("i", "bar"), Math.min(node.begin, 0.995), node.end);
    if (node.aws) {
      bar.append(make("i", "aws"));
      bar.firstChild.style.width = `${node.aws * 100}%`;
    }
    return track;
  }

  function place(track, element, begin, end) {
    element.style.left = `${time.at(begin) * 100}%`;
    if (end !== undefined) element.style.width = `${Math.max(0, time.at(end) - time.at(begin)) * 100}%`;
    track.append(element);
    return element;
  }

  function drawHeading(trace) {
    const label = make("div", "label", make("span", "twist", state.folded.has(trace) ? "▸" : "▾"),
      make("span", "text", trace.together > 1 ? `group of ${trace.together} traces that share messages, ` : "trace ", make("span", "id", trace.id), trace.together > 1 ? " …" : ""));
    const element = make("div", "row heading-row", label, make("span", "", trace.about));
    element.setAttribute("role", "option");
    return element;
  }

  function mark() {
    list.removeAttribute("aria-activedescendant");
    for (const [at, element] of state.drawn) {
      const chosen = state.rows[at].node !== undefined && state.rows[at].node === state.chosen;
      element.setAttribute("aria-selected", String(chosen));
      if (chosen) list.setAttribute("aria-activedescendant", element.id);
    }
  }

  /** Draw the axes of traces, each into its place. All is drawn before anything is measured: the page is laid out once. */
  function drawAxes(axes) {
    for (const [ticks, trace] of axes) {
      ticks.replaceChildren();
      if (!trace) continue;
      for (const [begin, end, label] of trace.folds) place(ticks, make("span", "fold", `⋯ ${label}`), (begin + end) / 2);
      for (const [at, label] of time.ticks(trace)) place(ticks, make("span", "", label), at);
    }
    for (const label of axes.flatMap(([ticks]) => crowdedOn(ticks))) label.classList.add("crowded");
  }

  function crowdedOn(ticks) {
    const { left: start, right: edge } = ticks.getBoundingClientRect(), taken = [];
    return [...ticks.children].filter((label) => {
      const box = label.getBoundingClientRect();
      const crowded = box.right > edge || box.left < start - 30 || taken.some((other) => box.left < other.right + 6 && other.left < box.right + 6);
      if (!crowded) taken.push(box);
      return crowded;
    });
  }

  const time = shownTime(() => { forget(); draw(); drawAxis(); });
  const around = () => { const node = nodes[state.chosen]; return node && node.begin !== null ? (node.begin + node.end) / 2 : 0.5; };
  const drawAxis = () => drawAxes([[$("ticks"), state.chosen < 0 ? null : traces[nodes[state.chosen].trace]]]);

  /* ---- choosing ---- */
  function choose(at, reveal = true) {
    state.chosen = at;
    if (reveal) {
      const row = state.rows.findIndex((one) => one.node === at);
      const top = row * ROW;
      if (top < list.scrollTop) list.scrollTop = top;
      else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
      draw();
    }
    if (at >= 0) map.light(nodes[at].on, nodes[at].fn);
    remember();
    mark();
    showDetail();
  }

  /** Keep in the address what is chosen and what is looked for, so that a link leads here again. */
  function remember() {
    const asked = { q: $("search").value, fn: state.fn, level: state.level || "", failed: state.failed ? "1" : "", cause: state.cause, on: state.on };
    const kept = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== "")).toString();
    const key = state.chosen >= 0 ? encodeURIComponent(nodes[state.chosen].key) : "";
    history.replaceState(null, "", `#${key}${kept && "&"}${kept}`);
  }

  function recall() {
    const asked = new URLSearchParams(location.hash.split("&").slice(1).join("&")), said = (name) => asked.get(name) || "";
    $("search").value = said("q");
    state.query = wordsOf(said("q"));
    state.fn = functions.includes(said("fn")) ? said("fn") : "";
    $("level").value = state.level = [20, 30, 40].find((level) => String(level) === said("level")) || 0;
    $("failed").checked = state.failed = said("failed") === "1";
    state.cause = data.causes.some((cause) => cause.key === said("cause")) ? said("cause") : "";
    const known = said("on").split(" ").every((number) => /^\d+$/.test(number) && document.querySelector(`#map .line[data-on="${number}"]`));
    setEdges(known ? said("on") : "");
  }

  const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
  function setEdges(on) {
    state.on = on;
    edges = new Set(on.split(" ").map(Number));
  }

  /** The map's answer: only a function, or what went along edges; what was chosen already is let go. */
  const map = systemMap((fn, on) => {
    state.fn = fn === state.fn ? "" : fn;
    setEdges(on === state.on ? "" : on);
    $("function").value = state.fn;
    refresh();
  });

  function step(by, wanted = () => true) {
    let at = state.rows.findIndex((row) => row.node === state.chosen);
    for (at += by; at >= 0 && at < state.rows.length; at += by) {
      const node = state.rows[at].node;
      if (node !== undefined && wanted(nodes[node])) return choose(node);
    }
  }

  /** Fold what follows from the chosen one; where nothing does, go to what it follows from. */
  function foldOrClimb() {
    const node = nodes[state.chosen];
    if (!node) return;
    if (node.children && !state.folded.has(state.chosen)) fold(state.chosen, true);
    else if (node.depth) step(-1, (other) => other.depth < node.depth);
  }

  function fold(key, folded) {
    if (folded) state.folded.add(key); else state.folded.delete(key);
    refresh();
  }

  /* ---- one invocation ---- */
  function showDetail() {
    detail.replaceChildren();
    drawAxis();
    if (state.chosen < 0) return;
    detail.append(...describe(nodes[state.chosen], true));
    detail.scrollTop = 0;
  }

  function describe(node, withLevels) {
    const parts = [make("p", "verdict", lit(node.fn), make("span", "version", node.version), make("span", `badge ${kindOf(node)}`, node.outcome))];
    const facts = make("ul", "facts");
    for (const [name, value] of [...(node.took ? [["took", node.took]] : []), ...node.facts]) facts.append(make("li", "", name && make("span", "", name), lit(value)));
    const ids = make("dl", "ids");
    for (const [name, value] of node.ids) {
      const text = make("span", "", lit(value));
      ids.append(make("dt", "", name), make("dd", "", text, name !== "began" && name !== "logged in" ? copier(value, text) : ""));
    }
    parts.push(facts, ids);
    if (node.error) parts.push(drawError(node.error));
    if (node.notes.length) {
      const notes = make("ul", "notes");
      for (const note of node.notes) notes.append(make("li", note.kind, lit(note.text)));
      parts.push(notes);
    }
    const lines = withLevels ? node.lines.filter((line) => (LEVELS[line.l] || 0) >= state.level || (!line.l && !state.level)) : node.lines;
    const hiddenLines = node.lines.length - lines.length;
    if (node.left_out) parts.push(make("p", "left-out", `${node.left_out.toLocaleString("en")} line${node.left_out === 1 ? " was" : "s were"} left out to keep the page small.`));
    parts.push(make("h2", "", `${node.lines.length} line${node.lines.length === 1 ? "" : "s"}${hiddenLines ? `, ${hiddenLines} below the level` : ""}`));
    parts.push(make("div", "lines", ...(lines.length ? lines.map(drawLine) : [make("p", "quiet", "No lines to show.")])));
    return parts;
  }

  function drawError(error) {
    const box = make("div", "error", make("strong", "", lit(error.text)));
    if (error.fingerprint) box.append(make("code", "", `#${error.fingerprint}`));
    if (error.stack.length) box.append(make("ol", "", ...error.stack.map((frame) => make("li", "", lit(frame)))));
    return box;
  }

  function drawLine(line) {
    const what = make("div", "what", lit(line.m));
    for (const [key, value] of line.f) what.append("  ", make("span", "field", make("b", "", `${key}=`), lit(value)));
    if (line.x) what.append(make("span", "trace-text", lit(line.x)));
    if (line.n > 1) what.append(make("span", "flag", `×${line.n}`));
    if (line.b) what.append(make("span", "flag", "broken JSON"));
    const entry = make("div", `entry ${line.k}`, make("span", "at", line.t), make("span", "lv", line.l), what);
    entry.dataset.level = line.l;
    if (line.c) entry.title = line.c;
    return entry;
  }

  /** Give a text in which the searched words are marked. */
  function lit(text) {
    if (!state.query.length || !text) return text;
    const lower = text.toLowerCase(), whole = document.createDocumentFragment();
    let from = 0;
    while (from < text.length) {
      let at = -1, size = 0;
      for (const term of state.query) {
        const found = lower.indexOf(term, from);
        if (found >= 0 && (at < 0 || found < at)) { at = found; size = term.length; }
      }
      if (at < 0) break;
      whole.append(text.slice(from, at), make("mark", "", text.slice(at, at + size)));
      from = at + size;
    }
    whole.append(text.slice(from));
    return whole;
  }

  /** Some browsers give a page from a file no clipboard, or refuse it: then the hand copies what is selected. */
  function copier(value, text) {
    const button = make("button", "copy", "copy");
    button.type = "button";
    copies(button, () => value, () => { getSelection().selectAllChildren(text); return "not copied, but selected"; });
    return button;
  }

  function copies(button, value, instead) {
    const title = button.textContent;
    const say = (what, ms) => { button.textContent = what; setTimeout(() => { button.textContent = title; }, ms); };
    const copied = async () => navigator.clipboard.writeText(value());
    button.addEventListener("click", () => copied().then(() => say("copied", 1200), () => say(instead(), 4000)));
  }

  /* ---- the hand: mouse and keys ---- */
  const rowOf = (event) => { const element = event.target.closest(".row"); return element ? state.rows[element.dataset.at] : null; };

  list.addEventListener("click", (event) => {
    const row = rowOf(event);
    if (!row) return;
    if (row.trace) fold(row.trace, !state.folded.has(row.trace));
    else if (row.died !== undefined) choose(row.died);
    else if (event.target.closest(".twist") && nodes[row.node].children) fold(row.node, !state.folded.has(row.node));
    else choose(row.node);
  });
  list.addEventListener("mousemove", (event) => {
    const row = rowOf(event), node = row && row.node !== undefined ? nodes[row.node] : null;
    tip.hidden = !node || !event.target.closest(".track, .text");
    if (tip.hidden) return;
    tip.replaceChildren(make("strong", "", `${node.fn} · ${node.outcome} · ${node.took}`), 
      ...[idOf(node, "began"), node.waited, idOf(node, "invocation")].filter(Boolean).map((text) => make("span", "", text)));
    if (node.error) tip.append(make("span", "bad", node.error.text));
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`;
  });
  list.addEventListener("mouseleave", () => { tip.hidden = true; });
  let waiting = false;
  list.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(); });
  });
  addEventListener("resize", () => { draw(); drawAxis(); });

  const actions = {
    ArrowDown: () => step(1), j: () => step(1), ArrowUp: () => step(-1), k: () => step(-1),
    PageDown: () => list.scrollBy(0, list.clientHeight), PageUp: () => list.scrollBy(0, -list.clientHeight),
    ArrowLeft: foldOrClimb, ArrowRight: () => fold(state.chosen, false),
    n: () => step(1, (node) => node.failed), p: () => step(-1, (node) => node.failed), Enter: () => detail.focus(),
    "+": () => time.zoom(0.5, around()), "=": () => time.zoom(0.5, around()), "-": () => time.zoom(2, around()), 0: () => time.whole(),
    "/": () => $("search").focus(), f: () => $("failed").click(), t: () => $("theme").click(), "?": () => $("keys").showModal(),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
    if (event.key === "Escape") { clearFilters(); list.focus(); return; }
    const inField = event.target.closest("input, select, button, summary"), inDetail = detail.contains(event.target);
    if (event.target === $("divider") && event.key.startsWith("Arrow")) {
      split(($("overview").offsetWidth + (event.key === "ArrowLeft" ? -24 : 24)) / innerWidth);
      event.preventDefault();
      return;
    }
    if (event.target === $("search") && (event.key === "Enter" || event.key === "ArrowDown")) { list.focus(); event.preventDefault(); return; }
    if (inField && !(inField.type === "checkbox" && event.key === "f")) return;
    if (inDetail && /^(Arrow|Page|Enter)/.test(event.key)) return;
    const action = actions[event.key];
    if (action) { action(); event.preventDefault(); }
  });

  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("search").addEventListener("input", (event) => { state.query = wordsOf(event.target.value); refresh(); });
  $("function").addEventListener("change", (event) => { state.fn = event.target.value; refresh(); });
  $("level").addEventListener("change", (event) => { state.level = Number(event.target.value); refresh(); });
  $("failed").addEventListener("change", (event) => { state.failed = event.target.checked; refresh(); });
  $("help").addEventListener("click", () => $("keys").showModal());
  $("clear").addEventListener("click", clearFilters);
  copies($("link"), () => location.href, () => "not copied: it is the address above");

  function clearFilters() {
    $("search").value = ""; $("function").value = ""; $("level").value = "0"; $("failed").checked = false;
    Object.assign(state, { query: [], fn: "", level: 0, failed: false });
    setEdges("");
    showCause("");
  }

  /* ---- what failed, and why ---- */
  function showCause(key) {
    state.cause = key;
    for (const button of $("causes").querySelectorAll("button[aria-pressed]")) button.setAttribute("aria-pressed", String(button.value === key));
    refresh();
  }

  function pressed(className, text, act) {
    const button = make("button", className, text);
    button.type = "button";
    button.addEventListener("click", act);
    return button;
  }

  function drawCause(cause) {
    const only = pressed("", cause.text, () => showCause(state.cause === cause.key ? "" : cause.key));
    only.value = cause.key;
    only.setAttribute("aria-pressed", "false");
    const example = pressed("", cause.example.slice(0, 8), () => { showCause(cause.key); choose(cause.at); });
    example.title = cause.example;
    const cells = [cause.count.toLocaleString("en"), make("span", "", only, " ", make("code", "", cause.fingerprint && `#${cause.fingerprint}`)),
      cause.functions, cause.first, cause.last, example];
    return make("tr", "", ...cells.map((cell) => make("td", "", cell)));
  }

  /* ---- the look ---- */
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const dress = (theme) => { document.documentElement.dataset.theme = theme; };
  dress(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => dress(dark.matches ? "dark" : "light"));
  $("theme").addEventListener("click", () => dress(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));

  const split = (share) => document.documentElement.style.setProperty("--split", `${Math.min(80, Math.max(20, share * 100))}%`);
  $("divider").addEventListener("pointerdown", (event) => {
    event.preventDefault();
    const move = (at) => split(at.clientX / innerWidth);
    addEventListener("pointermove", move);
    addEventListener("pointerup", () => removeEventListener("pointermove", move), { once: true });
  });

  /* ---- on paper: everything that is shown, in full ---- */
  let theme = "light";
  addEventListener("beforeprint", () => time.wholly(() => {
    theme = document.documentElement.dataset.theme;
    dress("light");
    const rows = [], axes = [], articles = [];
    let scaled = null;
    for (const row of state.rows) {
      if (row.node === undefined) { rows.push(drawRow(row)); continue; }
      const node = nodes[row.node], trace = traces[node.trace];
      if (trace !== scaled && trace.ticks.length) {
        const ticks = make("div", "ticks");
        axes.push([ticks, trace]);
        rows.push(make("div", "axis", make("span", "name", "Function"), ticks, make("span", "took", "Took")));
      }
      scaled = trace;
      rows.push(drawRow(row));
      articles.push(make("article", "", ...describe(node, true)));
    }
    $("print").replaceChildren(...rows);
    drawAxes(axes);
    $("print").append(...articles);
  }));
  addEventListener("afterprint", () => { $("print").replaceChildren(); dress(theme); });

  /* ---- begin ---- */
  $("title").textContent = data.title;
  for (const name of functions) { const option = make("option", "", name); option.value = name; $("function").append(option); }
  const causes = $("causes");
  causes.hidden = !data.causes.length;
  causes.open = data.by_cause;
  causes.querySelector("summary").textContent = `What failed, and why: ${data.causes.length.toLocaleString("en")} cause${data.causes.length === 1 ? "" : "s"}`;
  causes.querySelector("tbody").append(...data.causes.map(drawCause));
  const asked = nodes.findIndex((node) => node.key && location.hash.split("&")[0] === `#${encodeURIComponent(node.key)}`);
  recall();
  const worst = data.one ? nodes.findIndex((node) => node.failed) : 0;
  state.chosen = asked >= 0 ? asked : Math.max(0, worst);
  showCause(state.cause);
  $("function").value = state.fn;
  if (nodes.length) choose(state.chosen);
  list.focus({ preventScroll: true });
})();
