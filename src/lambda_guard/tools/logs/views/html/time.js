/** The part of time that the waterfall shows: all of it, or what was dragged over on the axis, or zoomed to by keys.
    Places are parts of a trace's whole scale, as in the data; `changed` is called when another part is shown. */
function shownTime(changed) {
  const LEAST = 1e-5, axis = document.getElementById("ticks"), choice = document.getElementById("dragged");
  let [from, to] = [0, 1];

  function show(begin, end) {
    const middle = (begin + end) / 2, half = Math.max(LEAST, end - begin) / 2;
    [from, to] = half >= 0.5 ? [0, 1] : [Math.max(0, Math.min(middle, 1 - half) - half), Math.min(1, Math.max(middle, half) + half)];
    document.getElementById("whole").hidden = isWhole();
    changed();
  }
  const isWhole = () => from === 0 && to === 1;
  const at = (place) => (place - from) / (to - from);

  /** Write a duration as the rest of the page does. */
  function span(ms) {
    if (ms < 1e3) return `${+ms.toPrecision(3)} ms`;
    if (ms < 6e4) return `${+(ms / 1e3).toPrecision(ms < 1e4 ? 4 : 5)} s`;
    const seconds = Math.round(ms / 1e3), minutes = Math.floor(seconds / 60), two = (number) => String(number).padStart(2, "0");
    return minutes < 60 ? `${minutes}m ${two(seconds % 60)}s` : `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
  }

  /** Give round moments in what is shown, as [place, label]; between `knots`, [place, ms] each, every second stretch is folded. */
  function ticks(trace) {
    if (isWhole() || trace.knots.length < 2) return trace.ticks;
    const busy = [];
    for (let i = 0; i + 1 < trace.knots.length; i += 2) {
      const [[begin, first], [end, last]] = [trace.knots[i], trace.knots[i + 1]], each = (last - first) / (end - begin || 1);
      const [left, right] = [Math.max(begin, from), Math.min(end, to)];
      if (left < right) busy.push({ begin, first, each, low: first + (left - begin) * each, high: first + (right - begin) * each });
    }
    const about = busy.reduce((sum, { low, high }) => sum + high - low, 0) / 6;
    if (!(about > 0)) return [];
    const power = 10 ** Math.floor(Math.log10(about)), step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= about);
    return busy.flatMap(({ begin, first, each, low, high }) => {
      const found = [];
      for (let count = Math.ceil(low / step - 1e-9); count * step <= high; count++) found.push([begin + (count * step - first) / each, count ? span(count * step) : "0"]);
      return found;
    });
  }

  const placeOf = (event) => { const box = axis.getBoundingClientRect(); return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)); };
  axis.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    const first = placeOf(event);
    const draw = (now) => {
      const second = placeOf(now);
      choice.hidden = false;
      choice.style.left = `${axis.offsetLeft + Math.min(first, second) * axis.offsetWidth}px`;
      choice.style.width = `${Math.abs(second - first) * axis.offsetWidth}px`;
    };
    addEventListener("pointermove", draw);
    addEventListener("pointerup", (last) => {
      removeEventListener("pointermove", draw);
      choice.hidden = true;
      const [left, right] = [first, placeOf(last)].sort((one, other) => one - other).map((part) => from + part * (to - from));
      if ((right - left) / (to - from) > 0.01) show(left, right);
    }, { once: true });
  });
  axis.addEventListener("dblclick", () => show(0, 1));
  document.getElementById("whole").addEventListener("click", () => show(0, 1));

  return {
    at, ticks,
    whole: () => show(0, 1),
    /** Show `times` as much time, around a place. */
    zoom(times, place) { const half = ((to - from) * times) / 2; show(place - half, place + half); },
    /** Do something as if all of it were shown. */
    wholly(act) { const kept = [from, to]; [from, to] = [0, 1]; act(); [from, to] = kept; },
  };
}
