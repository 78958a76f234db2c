// The explorer: a teacher stopped early, its student, and what became of every eigendirection.
// All numbers are computed here, by the formulas of the library, in forms that keep their digits.
"use strict";

const STEP = 0.5; // step size of descent, whose largest eigenvalue is one
const FIRST = { learner: "flow", exponent: 1.5, count: 50, stop: 6, clock: 4, truth: 0, noise: 0.001 };
const GRID = Array.from({ length: 251 }, (_, i) => 10 ** (-1 + i / 50));
const COARSE = GRID.filter((_, i) => i % 2 === 0); // of smooth curves whose points are sums over all directions

// Formulas.

const rate = (learner, eigenvalue) => (learner === "descent" ? -Math.log1p(-STEP * eigenvalue) / STEP : eigenvalue);

function learnt(learner, eigenvalue, clock) {
  if (learner === "ridge") return (eigenvalue * clock) / (1 + eigenvalue * clock);
  return -Math.expm1(-rate(learner, eigenvalue) * clock);
}

function left(learner, eigenvalue, clock) {
  if (learner === "ridge") return 1 / (1 + eigenvalue * clock);
  return Math.exp(-rate(learner, eigenvalue) * clock);
}

const spectrum = (state) => Array.from({ length: state.count }, (_, i) => (i + 1) ** -state.exponent);

// Of a student at a clock along one direction: what it has learnt of the target, and what it has not.
function student(state, eigenvalue, clock) {
  const weight = 1 - state.truth;
  const own = learnt(state.learner, eigenvalue, clock);
  const teacher = learnt(state.learner, eigenvalue, state.stop);
  return {
    learnt: own * (weight * teacher + state.truth),
    missed: left(state.learner, eigenvalue, clock) + own * weight * left(state.learner, eigenvalue, state.stop),
  };
}

// The clock at which a single run has learnt as much of an eigenvalue as the student at its clock.
function matched(state, eigenvalue, clock) {
  const seen = student(state, eigenvalue, clock);
  if (state.learner === "ridge") return seen.learnt / (eigenvalue * seen.missed);
  const speed = rate(state.learner, eigenvalue);
  if (seen.learnt < 0.5) return -Math.log1p(-seen.learnt) / speed;
  // the logarithm of e^(-rate·clock) + φ_S w e^(-rate·stop), also where both are below the smallest float
  const a = -speed * clock;
  const b = Math.log(learnt(state.learner, eigenvalue, clock)) + Math.log(1 - state.truth) - speed * state.stop;
  const [high, low] = a > b ? [a, b] : [b, a];
  return -(high + Math.log1p(Math.exp(low - high))) / speed;
}

function risk(state, eigenvalues, at) {
  let bias = 0;
  let variance = 0;
  for (const eigenvalue of eigenvalues) {
    const seen = at(eigenvalue);
    bias += eigenvalue * seen.missed ** 2;
    variance += state.noise * seen.learnt ** 2;
  }
  return { bias, variance, total: bias + variance };
}

const single = (state, clock) => (eigenvalue) => ({
  learnt: learnt(state.learner, eigenvalue, clock),
  missed: left(state.learner, eigenvalue, clock),
});

// Everything that is shown as a number.
function numbers(state) {
  const eigenvalues = spectrum(state);
  const same = matched(state, eigenvalues[0], state.clock);
  const teacher = eigenvalues.map((each) => learnt(state.learner, each, state.clock));
  const caught = eigenvalues.map((each) => learnt(state.learner, each, same));
  const taught = eigenvalues.map((each) => student(state, each, state.clock).learnt);
  return {
    eigenvalues,
    teacher, // at equal time
    caught, // the teacher at equal progress on the top direction
    student: taught,
    matched: same,
    lag: taught.map((each, i) => 1 - each / caught[i]),
    risk: risk(state, eigenvalues, (each) => student(state, each, state.clock)),
    alone: risk(state, eigenvalues, single(state, state.clock)),
  };
}

function python(state) {
  const learner = {
    flow: "kd.GradientFlow",
    descent: `lambda clock: kd.GradientDescent(${STEP}, clock / ${STEP})`,
    ridge: "lambda clock: kd.Ridge(1 / clock)",
  }[state.learner];
  return `import jax.numpy as jnp, matplotlib.pyplot as plt
import kdtheory as kd

learner = ${learner}
eigenvalues = kd.spectra.power_law(${state.count}, exponent=${state.exponent})
clock = jnp.geomspace(0.1, 1e4, ${GRID.length})
teacher = learner(${state.stop})
alone = learner(clock)
taught = kd.distill(teacher, alone, teacher_weight=1 - ${state.truth})
runs = [kd.closed_form(each, eigenvalues) for each in (alone, taught)]

figure, (time, progress, error) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
shown = dict(directions=${JSON.stringify(chosen(state))})
kd.plots.convergence(time, *runs, **shown)
kd.plots.convergence(progress, *runs, matched_on=0, **shown)
kd.plots.risk(error, kd.measures.risk(taught, eigenvalues, 1.0, ${state.noise}), clock)
for ax in (time, progress):
    ax.set_xscale("log")

student = kd.distill(teacher, learner(${state.clock}), teacher_weight=1 - ${state.truth})
print(student.filter(eigenvalues))  # its progress along every direction
print(kd.measures.risk(student, eigenvalues, 1.0, ${state.noise}).total)
`;
}

// A few directions, evenly spread over the logarithmic axis, the first among them.
function chosen(state) {
  const steps = [0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(state.count ** share) - 1);
  return [...new Set(steps)];
}

// Addresses.

function written(state) {
  return "#" + Object.keys(FIRST).map((name) => `${name}=${state[name]}`).join("&");
}

function read(hash, allowed) {
  const state = { ...FIRST };
  for (const [name, value] of new URLSearchParams(hash.slice(1))) {
    if (name === "learner" && ["flow", "descent", "ridge"].includes(value)) state.learner = value;
    else if (Object.hasOwn(allowed, name) && value.trim() && Number.isFinite(Number(value))) {
      const [low, high] = allowed[name];
      state[name] = Math.min(high, Math.max(low, Number(value)));
    }
  }
  state.count = Math.round(state.count);
  return state;
}

// Pictures.

class Plot {
  constructor(canvas, options) {
    Object.assign(this, { canvas, ...options });
    this.context = canvas.getContext("2d");
  }

  begin(style) {
    const { canvas, context } = this;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    Object.assign(this, { left: 46, top: 10, right: width - 12, bottom: height - 36, style });
    const place = (low, high, log) => (value) =>
      log ? (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low)) : (value - low) / (high - low);
    const [across, up] = [place(...this.x, this.xlog), place(...this.y, this.ylog)];
    this.X = (value) => this.left + across(value) * (this.right - this.left);
    this.Y = (value) => this.bottom - up(value) * (this.bottom - this.top);
    this.clockAt = (pixel) => {
      const share = Math.min(1, Math.max(0, (pixel - this.left) / (this.right - this.left)));
      return this.x[0] * (this.x[1] / this.x[0]) ** share;
    };
    this.axes();
  }

  axes() {
    const { context, style } = this;
    context.font = `12px ${style.font}`;
    context.lineWidth = 1;
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const [value, label] of ticks(this.x, this.xlog, this.right - this.left, this.shift)) {
      context.strokeStyle = style.grid;
      this.stroke([[this.X(value), this.top], [this.X(value), this.bottom]]);
      context.fillStyle = style.muted;
      context.fillText(label, this.X(value), this.bottom + 5);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const [value, label] of ticks(this.y, this.ylog, this.bottom - this.top)) {
      context.strokeStyle = style.grid;
      this.stroke([[this.left, this.Y(value)], [this.right, this.Y(value)]]);
      context.fillStyle = style.muted;
      context.fillText(label, this.left - 6, this.Y(value));
    }
    context.textAlign = "center";
    context.textBaseline = "bottom";
    context.fillText(this.label, (this.left + this.right) / 2, this.canvas.clientHeight - 1);
  }

  stroke(points) {
    this.context.beginPath();
    points.forEach(([x, y], i) => (i ? this.context.lineTo(x, y) : this.context.moveTo(x, y)));
    this.context.stroke();
  }

  line(xs, ys, color, { dashes = [], width = 2 } = {}) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(this.left - 1, this.top - 2, this.right - this.left + 2, this.bottom - this.top + 4);
    context.clip();
    context.strokeStyle = color;
    context.lineWidth = width;
    context.setLineDash(dashes);
    context.lineJoin = "round";
    this.stroke(xs.map((x, i) => [this.X(x), this.Y(ys[i])]));
    context.restore();
  }

  dots(xs, ys, color, size = 3) {
    const { context } = this;
    context.fillStyle = color;
    xs.forEach((x, i) => {
      if (!(ys[i] >= this.y[0] && ys[i] <= this.y[1] && x >= this.x[0] && x <= this.x[1])) return;
      context.beginPath();
      context.arc(this.X(x), this.Y(ys[i]), size, 0, 2 * Math.PI);
      context.fill();
    });
  }

  handle(value, label, color, low = false) {
    if (!(value >= this.x[0] && value <= this.x[1])) return;
    const { context } = this;
    const x = this.X(value);
    context.strokeStyle = color;
    context.lineWidth = 1.5;
    context.setLineDash([2, 3]);
    this.stroke([[x, this.top], [x, this.bottom]]);
    context.setLineDash([]);
    context.fillStyle = color;
    context.beginPath();
    context.arc(x, this.bottom, 6, 0, 2 * Math.PI);
    context.fill();
    context.textBaseline = "top";
    const right = x > (this.left + this.right) / 2;
    context.textAlign = right ? "right" : "left";
    context.strokeStyle = this.style.paper;
    context.lineWidth = 4;
    context.lineJoin = "round";
    const at = [x + (right ? -8 : 8), this.top + (low ? 20 : 4)];
    context.strokeText(label, ...at); // a halo, so that it is read over lines
    context.fillText(label, ...at);
  }
}

function ticks([low, high], log, room, shift = 0) {
  if (log) {
    const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
    const every = Math.max(1, Math.ceil(((last - first) * 34) / room));
    const found = [];
    for (let power = first; power <= last; power += every) {
      const label = power >= 0 && power < 4 ? String(10 ** power - shift) : power > -3 && power < 0 ? String(10 ** power) : `1e${power}`;
      found.push([10 ** power, label]);
    }
    return found;
  }
  return [0, 0.25, 0.5, 0.75, 1].map((share) => low + share * (high - low)).map((value) => [value, String(Number(value.toPrecision(3)))]);
}

const CLOCKS = { x: [0.1, 1e4], xlog: true };
const KINDS = {
  progress: { y: [0, 1], xlog: true, label: "direction", shift: 1 },
  time: { ...CLOCKS, y: [0, 1], label: "clock of both" },
  matched: { ...CLOCKS, y: [0, 1], label: "teacher’s clock" },
  lag: { y: [0, 1], xlog: true, label: "direction", shift: 1 },
  risk: { ...CLOCKS, ylog: true, label: "clock" },
};

const DRAW = {
  progress(plot, state, found, style) {
    plot.x = [1, Math.max(2, state.count)];
    plot.begin(style);
    const at = found.eigenvalues.map((_, i) => i + 1);
    plot.line(at, found.teacher, style.muted, { dashes: [2, 3] });
    plot.line(at, found.caught, style.colours[0]);
    plot.line(at, found.student, style.colours[1], { dashes: [6, 4] });
    plot.dots(chosen(state).map((i) => i + 1), chosen(state).map((i) => found.student[i]), style.colours[1], 4);
  },
  time(plot, state, found, style) {
    plot.begin(style);
    chosen(state).forEach((direction, i) => {
      const eigenvalue = found.eigenvalues[direction];
      plot.line(GRID, GRID.map((t) => learnt(state.learner, eigenvalue, t)), style.colours[i], { width: 1.5 });
      plot.line(GRID, GRID.map((t) => student(state, eigenvalue, t).learnt), style.colours[i], { dashes: [6, 4] });
    });
    plot.dots(chosen(state).map(() => state.clock), chosen(state).map((i) => found.student[i]), style.ink, 4);
    plot.handle(state.stop, "teacher stops", style.muted);
    plot.handle(state.clock, "student", style.ink, true);
  },
  matched(plot, state, found, style) {
    plot.begin(style);
    const top = found.eigenvalues[0];
    const clocks = GRID.map((s) => matched(state, top, s));
    chosen(state).forEach((direction, i) => {
      const eigenvalue = found.eigenvalues[direction];
      plot.line(GRID, GRID.map((t) => learnt(state.learner, eigenvalue, t)), style.colours[i], { width: 1.5 });
      plot.line(clocks, GRID.map((s) => student(state, eigenvalue, s).learnt), style.colours[i], { dashes: [6, 4] });
    });
    plot.dots(chosen(state).map(() => found.matched), chosen(state).map((i) => found.student[i]), style.ink, 4);
    plot.handle(state.stop, "teacher stops", style.muted);
    plot.handle(found.matched, "student", style.ink, true);
  },
  lag(plot, state, found, style) {
    const least = Math.min(0, ...found.lag);
    plot.x = [1, Math.max(2, state.count)];
    plot.y = [least < -0.005 ? Math.max(-1, Math.floor(least * 4) / 4) : 0, 1];
    plot.begin(style);
    const at = found.lag.map((_, i) => i + 1);
    plot.line(at, at.map(() => 0), style.muted, { width: 1 });
    plot.line(at, found.lag, style.colours[1]);
    plot.dots(at, found.lag, style.colours[1], 2.5);
  },
  risk(plot, state, found, style) {
    const paths = COARSE.map((t) => risk(state, found.eigenvalues, (each) => student(state, each, t)));
    const alone = COARSE.map((t) => risk(state, found.eigenvalues, single(state, t)).total);
    const totals = paths.map((each) => each.total);
    const high = Math.max(...totals, ...alone) * 1.3;
    plot.y = [Math.min(...totals, ...alone) / 10, high];
    plot.begin(style);
    plot.line(COARSE, alone, style.muted, { dashes: [6, 4], width: 1.5 });
    plot.line(COARSE, totals, style.ink);
    plot.line(COARSE, paths.map((each) => Math.max(each.bias, 1e-300)), style.colours[0], { dashes: [6, 4] });
    plot.line(COARSE, paths.map((each) => Math.max(each.variance, 1e-300)), style.colours[1], { dashes: [2, 3] });
    plot.dots([state.clock], [found.risk.total], style.ink, 4);
    plot.handle(state.clock, "student", style.ink);
  },
};

function look() {
  const told = getComputedStyle(document.documentElement);
  // light-dark() is resolved only where it is a colour: ask an element that wears it
  const probe = document.createElement("span");
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const style = {
    ink: colour("ink"),
    paper: colour("paper"),
    muted: colour("muted"),
    grid: colour("line"),
    colours: [0, 1, 2, 3, 4].map((i) => colour(`c${i}`)),
    font: told.fontFamily,
  };
  probe.remove();
  return style;
}

const percent = (share) => `${(100 * share).toFixed(Math.abs(share) < 0.0995 ? 1 : 0)}\u00a0%`;
const short = (value) => (value !== 0 && (value < 1e-4 || value >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(3))));

function mount(place) {
  const inputs = [...place.querySelectorAll("input[type=range]")];
  const choices = [...place.querySelectorAll("input[type=radio]")];
  const plots = [...place.querySelectorAll("canvas[data-panel]")].map((canvas) => new Plot(canvas, { ...KINDS[canvas.dataset.panel] }));
  const says = (part) => place.querySelector(`[data-says=${part}]`);
  const addressed = place.hasAttribute("data-addressed");
  const span = (input) => [input.min, input.max].map((end) => ("log" in input.dataset ? 10 ** Number(end) : Number(end)));
  const allowed = Object.fromEntries(inputs.map((input) => [input.name, span(input)]));
  let state = addressed ? read(location.hash, allowed) : { ...FIRST };
  let style = look();
  let found = null;
  let waiting = false;
  let quiet = null;

  function shown() {
    for (const input of inputs) {
      const value = state[input.name];
      input.value = "log" in input.dataset ? Math.log10(value) : value;
      input.setAttribute("aria-valuetext", short(value));
      place.querySelector(`output[for=${input.id}]`).textContent = short(value);
    }
    for (const choice of choices) choice.checked = choice.value === state.learner;
  }

  function words() {
    const low = Math.min(9, state.count - 1);
    const [student, teacher, lag] = [found.student[low], found.caught[low], found.lag[low]];
    const compared = lag > 0.0005 ? `a lag of ${percent(lag)}` : lag < -0.0005 ? `ahead by ${percent(-lag)}` : "no lag";
    return (
      `With ${percent(found.student[0])} of the top direction learnt, the student has learnt ${percent(student)} of direction ` +
      `${low}; its teacher, at equal progress, had learnt ${percent(teacher)}: ${compared}.`
    );
  }

  function numbered() {
    const rows = chosen(state).map((i) => {
      const cells = [found.eigenvalues[i], found.teacher[i], found.caught[i], found.student[i], found.lag[i]];
      return `<tr><th scope="row">${i}</th>${cells.map((cell) => `<td>${Number(cell.toPrecision(6))}</td>`).join("")}</tr>`;
    });
    return rows.join("");
  }

  // What is read, not looked at, waits until the hand rests.
  function settle() {
    if (says("python")) says("python").textContent = python(state);
    if (says("numbers")) says("numbers").innerHTML = numbered();
    for (const plot of plots) plot.canvas.setAttribute("aria-label", `${plot.canvas.dataset.title}. ${words()}`);
    if (says("live")) says("live").textContent = words();
    if (addressed && location.hash !== written(state)) history.replaceState(null, "", written(state));
    for (const link of place.querySelectorAll("a[data-opens]")) link.href = `explorer.html${written(state)}`;
  }

  function render() {
    waiting = false;
    found = numbers(state);
    for (const plot of plots) DRAW[plot.canvas.dataset.panel](plot, state, found, style);
    if (says("words")) says("words").textContent = words();
    if (says("risk")) {
      const { bias, variance, total } = found.risk;
      says("risk").textContent = `${short(bias)} + ${short(variance)} = ${short(total)}; a single run ${short(found.alone.total)}`;
    }
  }

  function ask() {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(render);
    }
    clearTimeout(quiet);
    quiet = setTimeout(settle, 150);
  }

  function set(changes) {
    state = { ...state, ...changes };
    shown();
    ask();
  }

  for (const input of inputs) {
    input.addEventListener("input", () => {
      const value = "log" in input.dataset ? Number((10 ** Number(input.value)).toPrecision(3)) : Number(input.value);
      set({ [input.name]: value });
    });
  }
  for (const choice of choices) choice.addEventListener("change", () => set({ learner: choice.value }));

  // The student's clock at which the teacher's matched clock is as wanted: it rises with it.
  function inverted(wanted) {
    let [low, high] = CLOCKS.x;
    for (let i = 0; i < 60; i += 1) {
      const middle = Math.sqrt(low * high);
      if (matched(state, 1, middle) < wanted) low = middle;
      else high = middle;
    }
    return high;
  }

  for (const plot of plots) {
    if (!["time", "matched", "risk"].includes(plot.canvas.dataset.panel)) continue;
    let held = null;
    const at = (event) => event.clientX - plot.canvas.getBoundingClientRect().left;
    const to = (event) => {
      const clock = plot.clockAt(at(event));
      const wanted = held === "clock" && plot.canvas.dataset.panel === "matched" ? inverted(clock) : clock;
      const [low, high] = held in allowed ? allowed[held] : CLOCKS.x;
      set({ [held]: Number(Math.min(high, Math.max(low, wanted)).toPrecision(3)) });
    };
    plot.canvas.addEventListener("pointerdown", (event) => {
      const student = plot.canvas.dataset.panel === "matched" ? found.matched : state.clock;
      const far = (value) => Math.abs(plot.X(value) - at(event));
      held = plot.canvas.dataset.panel !== "risk" && far(state.stop) < far(student) ? "stop" : "clock";
      plot.canvas.setPointerCapture(event.pointerId);
      to(event);
    });
    plot.canvas.addEventListener("pointermove", (event) => held && to(event));
    for (const name of ["pointerup", "pointercancel"]) plot.canvas.addEventListener(name, () => (held = null));
  }

  if (addressed) {
    addEventListener("hashchange", () => set(read(location.hash, allowed)));
    const copy = place.querySelector("[data-copies]");
    copy?.addEventListener("click", () => {
      navigator.clipboard?.writeText(python(state));
      copy.textContent = "copied";
      setTimeout(() => (copy.textContent = "copy"), 1500);
    });
    place.querySelector("[data-resets]")?.addEventListener("click", () => set({ ...FIRST }));
  }
  const again = () => {
    style = look();
    ask();
  };
  new ResizeObserver(ask).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  addEventListener("themechange", again);
  shown();
  render();
  settle();
  return { first: FIRST, state: () => state, numbers: () => numbers(state), python: () => python(state), set, render, settle };
}

window.explorer = mount(document.querySelector("[data-explorer]"));
