// The answer: the photo under its mask, redrawn here at every move of a slider; the model is not asked again.

slvit.result = (element, props, watch, trigger, events) => {
  const { t, make, slider, choice, shown, number } = slvit;
  const state = { view: "overlay", opacity: 0.5, split: 0.5, colour: 0 };
  const root = element.querySelector(".slvit-result");
  const colours = props.colours;

  const board = make("canvas", { role: "img", "aria-label": t("waiting") });
  const stage = make("div.stage", {}, board, make("p.empty", {}, t("waiting")));
  const verdict = make("p.verdict", { role: "status" });
  let looking = false; // closer, and no answer yet
  const closer = make("button.closer", {
    type: "button", hidden: true, title: t("closer_say"),
    onclick: () => {
      if (looking) return;
      look(true);
      trigger(events.closer, { answer: shown.answer.answer });
    },
  }, t("closer"));
  const look = (now) => {
    looking = now;
    closer.textContent = t(now ? "working" : "closer");
    closer.setAttribute("aria-disabled", String(now)); // not disabled: that takes the keyboard away
  };
  slvit.looked = () => look(false);
  const views = ["overlay", "outline", "mask", "cutout", "probability", "before"];
  const view = choice(t("view"), views.map((key) => [key, t(`view_${key}`)]), state.view, (key) => {
    state.view = key;
    draw();
  });
  const opacity = slider(t("opacity"), "opacity", { value: 0.5, change: (v) => { state.opacity = v; draw(); } });
  const threshold = slider(t("threshold"), "threshold", {
    min: 0.02, max: 0.98, value: shown.threshold, change: (v) => { shown.threshold = v; draw(); },
  });
  threshold.input.addEventListener("change", slvit.thresholdMoved); // let go: small pictures of the mask elsewhere follow
  const split = slider(t("split"), "split", {
    value: 0.5, show: (v) => `${Math.round(v * 100)} %`, change: (v) => { state.split = v; draw(); },
  });
  const swatches = make("div.swatches", { role: "group", "aria-label": t("colour") });
  colours.forEach((colour, at) => swatches.append(make("button", {
    type: "button", style: `background: rgb(${colour})`, "aria-label": `${t("colour")} ${at + 1}`,
    "aria-pressed": String(at === 0),
    onclick: (click) => {
      state.colour = at;
      swatches.querySelectorAll("button").forEach((b) => b.setAttribute("aria-pressed", String(b === click.currentTarget)));
      draw();
    },
  })));
  const probabilityBar = slvit.bar({ low: 0, high: 1 });
  const controls = make("div.controls", {}, view, make("div.sliders", {}, opacity, threshold, split, swatches, probabilityBar));
  const meter = make("div.meter", {}, make("b", {}, "–"), make("span", {}, t("confidence")), make("div.track", {}));
  const times = make("div.times", {}, make("b", {}, "–"), make("span", {}, t("time")), make("div.track", {}));
  const save = make("div.save", {}, make("span", {}, t("save")));
  for (const what of ["overlay", "mask", "cutout", "json", "maps", "report"]) {
    save.append(make("button", {
      type: "button", "data-what": what,
      onclick: () => {
        writing(1);
        trigger(events.save, {
          what, answer: shown.answer.answer, language: slvit.language, threshold: shown.threshold, opacity: state.opacity, colour: colours[state.colour],
        });
      },
    }, t(`save_${what}`)));
  }
  const link = make("a", { hidden: true }, t("link"));
  const status = make("span", { role: "status" });
  let unwritten = 0; // files that were asked for and have not come
  const writing = (more) => {
    unwritten += more;
    status.textContent = unwritten ? t("writing") : "";
  };
  slvit.written = () => writing(-1);
  save.append(link, status);
  const facts = make("div.facts", {}, meter, times);
  root.append(stage, make("div.said", {}, verdict, closer), controls, facts, save);
  root.classList.add("none");
  const later = [controls, facts, save]; // there from the start, so that nothing moves, but of no use before an answer
  later.forEach((part) => { part.inert = true; });

  function blend(out, at, colour, opacity) {
    for (let channel = 0; channel < 3; channel += 1)
      out[at + channel] = out[at + channel] * (1 - opacity) + colour[channel] * opacity;
  }

  const contoured = () => ["overlay", "outline", "before"].includes(state.view);

  // Only the controls that change something in this view.
  function arrange() {
    stage.classList.toggle("checked", state.view === "cutout");
    stage.classList.toggle("divided", state.view === "before");
    opacity.hidden = !["overlay", "before"].includes(state.view);
    swatches.hidden = !contoured();
    split.hidden = state.view !== "before";
    threshold.hidden = state.view === "probability";
    probabilityBar.hidden = state.view !== "probability";
  }

  // The line between before and after, with a grip that shows it can be dragged.
  function handle(context, from, width, height) {
    const unit = Math.max(width, height) / 300;
    const at = Math.min(width - unit, Math.max(0, from - unit / 2));
    context.fillStyle = "#fff";
    context.fillRect(at, 0, unit, height);
    context.beginPath();
    context.arc(at + unit / 2, height / 2, unit * 7, 0, 2 * Math.PI);
    context.fill();
    context.fillStyle = "#1d1f27";
    for (const side of [-1, 1]) {
      context.beginPath();
      [[4.6, 0], [2, -2.6], [2, 2.6]].forEach(([x, y]) => context.lineTo(at + unit / 2 + side * x * unit, height / 2 + y * unit));
      context.fill();
    }
  }
  function divide(pointer) {
    if (state.view !== "before" || !shown.answer || !(pointer.buttons & 1)) return;
    const { left, width, height } = board.getBoundingClientRect();
    const drawn = Math.min(width, (height * board.width) / board.height); // object-fit: contain
    state.split = Math.min(1, Math.max(0, (pointer.clientX - left - (width - drawn) / 2) / drawn));
    split.input.value = state.split;
    split.querySelector("output").textContent = `${Math.round(state.split * 100)} %`;
    draw();
  }
  board.addEventListener("pointerdown", (pointer) => {
    if (state.view === "before") board.setPointerCapture(pointer.pointerId);
    divide(pointer);
  });
  board.addEventListener("pointermove", divide);

  function draw() {
    arrange();
    if (!shown.answer) return;
    const started = performance.now();
    const { photo, levels } = shown;
    const { width, height } = photo;
    const least = slvit.least(shown.threshold);
    const colour = colours[state.colour];
    if (board.width !== width || board.height !== height) Object.assign(board, { width, height });
    const context = board.getContext("2d");
    const image = new ImageData(new Uint8ClampedArray(photo.data), width, height);
    const out = image.data;
    const edge = Math.max(1, Math.round(Math.max(width, height) / 450));
    const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && levels[y * width + x] >= least;
    const from = state.view === "before" ? Math.round(width * state.split) : 0;
    const contour = contoured();
    let area = 0;
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        const at = y * width + x, meant = levels[at] >= least;
        if (meant) area += 1;
        if (state.view === "mask") out.fill(meant ? 255 : 0, at * 4, at * 4 + 3);
        else if (state.view === "cutout") { if (!meant) out[at * 4 + 3] = 0; }
        else if (state.view === "probability") {
          const tint = levels[at] * 3;
          out[at * 4] = slvit.colours[tint];
          out[at * 4 + 1] = slvit.colours[tint + 1];
          out[at * 4 + 2] = slvit.colours[tint + 2];
        } else if (meant && x >= from) {
          if (contour && !(inside(x - edge, y) && inside(x + edge, y) && inside(x, y - edge) && inside(x, y + edge)))
            blend(out, at * 4, colour, 1);
          else if (state.view !== "outline") blend(out, at * 4, colour, state.opacity);
        }
      }
    }
    context.putImageData(image, 0, 0);
    if (state.view === "before") handle(context, from, width, height);
    const answer = shown.answer;
    const share = area / (width * height);
    meter.querySelector(".area").textContent = `${number(share * 100)} % ${t("area")}`;
    board.setAttribute("aria-label", `${answer.expression}: ${t(`view_${state.view}`)}, ${number(share * 100)} % ${t("area")}`);
    tell(area);
    root.dataset.drawMs = (performance.now() - started).toFixed(1);
  }

  function tell(area) {
    const answer = shown.answer;
    verdict.replaceChildren(make("span.asked", { title: answer.expression }, make("q", {}, answer.expression)));
    if (!answer.found) verdict.append(make("strong", {}, t("no_match")));
    if (!area) verdict.append(make("span", {}, t("empty")));
    else if (!answer.found) verdict.append(make("span", {}, t("no_match_why")));
    for (const key of ["unread", "unknown"])
      if (answer[key].length)
        verdict.append(make("span", {}, `${t(key === "unread" ? "not_read" : "unknown")}: ${answer[key].slice(0, 12).join(", ")}${answer[key].length > 12 ? " …" : ""}`));
  }

  function redraw() {
    const answer = shown.answer;
    if (!answer) return;
    root.classList.remove("none");
    later.forEach((part) => { part.inert = false; });
    const known = Boolean(slvit.insidesNow()); // the server knows an answer from when it has sent its insides
    save.inert = !known;
    closer.hidden = !known || answer.closer !== false; // true: this is a closer look already
    const percent = Math.round(answer.confidence * 100);
    meter.replaceChildren(
      make("b", {}, `${percent} %`), make("span", {}, t("confidence")),
      make("div.track", {}, make("i", { style: `width:${percent}%` })), make("span.area", {}),
    );
    const { total, ...steps } = answer.timings;
    times.replaceChildren(make("b", {}, `${Math.round(total * 1000)} ms`), make("span", {}, `${t("time")} · ${answer.model}`));
    const track = make("div.track", {});
    const list = make("ul", {});
    Object.entries(steps).forEach(([step, seconds], at) => {
      track.append(make(`i.s${at % 6}`, { style: `width:${(100 * seconds) / Math.max(total, 1e-9)}%` }));
      list.append(make(`li.s${at % 6}`, {}, `${t(`step_${step}`)} ${number(seconds * 1000)} ms`));
    });
    times.append(track, list);
    draw();
  }

  // On a phone the answer stands below the question: bring it into view, unless it already is.
  async function arrive() {
    if (!props.value) return;
    await slvit.answered(props.value);
    const { top, bottom } = stage.getBoundingClientRect();
    if (top > innerHeight * 0.6 || bottom < 0) stage.scrollIntoView({ block: "start", behavior: "smooth" });
  }

  arrange();
  slvit.follow(element, redraw, { first: true });
  slvit.link(link);
  watch("value", arrive);
  arrive();
};
slvit.download = () => { setTimeout(() => document.querySelector("#file")?.click(), 0); };
