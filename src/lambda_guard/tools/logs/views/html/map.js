/** The map of the system: it stands in the page already; here it is zoomed, and its parts are chosen.
    `choose` is called with what was chosen: a function's name, or the numbers of edges, as rows have them. */
function systemMap(choose) {
  const panel = document.getElementById("system"), svg = document.getElementById("map"), canvas = document.getElementById("canvas");
  if (!svg) { panel.hidden = true; return { show() {}, light() {} }; }
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const parts = [...panel.querySelectorAll("[data-on], [data-fn]")], numbers = (part) => (part.dataset.on || "").split(" ").filter(Boolean);
  const LEGIBLE = 0.72, LEAST = 0.15, MOST = 3;
  let scale = 1;

  function zoom(to) {
    const middle = (canvas.scrollLeft + canvas.clientWidth / 2) / scale;
    scale = Math.min(MOST, Math.max(LEAST, to));
    svg.setAttribute("width", width * scale);
    svg.setAttribute("height", height * scale);
    canvas.scrollLeft = middle * scale - canvas.clientWidth / 2;
  }
  const across = () => (canvas.clientWidth - 2) / width;
  const zooms = { in: () => zoom(scale * 1.25), out: () => zoom(scale / 1.25), all: () => zoom(Math.min(1.3, across(), canvas.clientHeight / height)) };

  /** Show what is chosen: pressed, and what it is connected with bright. */
  function show(fn, on) {
    const picked = parts.filter((part) => (part.dataset.fn === undefined ? on !== "" && part.dataset.on === on : part.dataset.fn === fn));
    const near = new Set(picked.flatMap(numbers));
    svg.classList.toggle("chosen", picked.length > 0);
    for (const part of parts) {
      if (part.hasAttribute("aria-pressed")) part.setAttribute("aria-pressed", String(picked.includes(part)));
      part.classList.toggle("near", picked.includes(part) || numbers(part).some((number) => near.has(number)));
    }
  }

  /** Mark the way of one invocation, and bring its function into sight. */
  function light(edges, fn) {
    for (const part of svg.querySelectorAll(".line")) part.classList.toggle("lit", edges.includes(Number(part.dataset.on)));
    const place = parts.find((part) => part.dataset.fn === fn), room = canvas.getBoundingClientRect();
    if (!place) return;
    const box = place.getBoundingClientRect();
    if (box.left < room.left || box.right > room.right) canvas.scrollLeft += (box.left + box.right - room.left - room.right) / 2;
    if (box.top < room.top || box.bottom > room.bottom) canvas.scrollTop += (box.top + box.bottom - room.top - room.bottom) / 2;
  }

  function press(event) {
    const part = event.target.closest("[data-on], [data-fn]");
    if (part) choose(part.dataset.fn || "", part.dataset.fn === undefined ? part.dataset.on : "");
    return Boolean(part);
  }
  panel.addEventListener("click", press);
  panel.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("button, summary")) return;
    const keys = { "+": zooms.in, "=": zooms.in, "-": zooms.out, 0: zooms.all };
    const done = keys[event.key] ? (keys[event.key](), true) : (event.key === "Enter" || event.key === " ") && press(event);
    if (!done) return;
    event.preventDefault();
    event.stopPropagation();
  });
  for (const button of panel.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => zooms[button.dataset.zoom]());
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoom(scale * (event.deltaY < 0 ? 1.1 : 1 / 1.1));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.target.closest("[data-on]") || event.button) return;
    const { scrollLeft, scrollTop } = canvas;
    const move = (at) => canvas.scrollTo(scrollLeft + event.clientX - at.clientX, scrollTop + event.clientY - at.clientY);
    addEventListener("pointermove", move);
    addEventListener("pointerup", () => removeEventListener("pointermove", move), { once: true });
  });
  zoom(Math.min(1, Math.max(LEGIBLE, across())));
  canvas.scrollLeft = 0;
  return { show, light };
}
