// Set apart in tab "Uncertainty": the model is asked again, with another number of patches or without URCE, and both
// masks are laid side by side with what changed between them.

slvit.rerun = (element, props, watch, trigger, event) => {
  const { t, make, slider, shown } = slvit;
  const root = element.querySelector(".slvit-rerun");
  const state = { answer: null, patches: 0, on: false, threshold: 0.5, answered: 0.5, waiting: false };
  const percent = (share) => `${slvit.number(share * 100)} %`;

  function redraw() {
    const insides = slvit.insidesNow();
    root.hidden = !insides;
    if (!insides) return;
    const { patches, map } = insides.uncertainty;
    const cells = map.w * map.h;
    if (state.answer !== insides.answer)
      Object.assign(state, { answer: insides.answer, patches: patches.length, on: false, waiting: false });
    if (state.answered !== shown.threshold) // "as answered" is what the visitor has above, until the slider here moves
      state.answered = state.threshold = shown.threshold;
    const number = slider("K", "rerun-patches", {
      min: 1, max: cells, step: 1, value: state.patches, show: (v) => `${v} ${t("of")} ${cells}`, change: (v) => { state.patches = v; },
    });
    const urce = make("input", {
      type: "checkbox", name: "rerun-urce", role: "switch", checked: state.on,
      onchange: () => { state.on = urce.checked; number.input.disabled = !state.on; },
    });
    number.input.disabled = !state.on;
    const button = make("button.run", {
      type: "button", id: "rerun-button", "aria-disabled": String(state.waiting), // not disabled: that takes the keyboard away
      onclick: () => {
        if (state.waiting) return;
        state.waiting = true;
        root.querySelector(".rerun-answer").replaceChildren(make("p.empty", { role: "status" }, t("working")));
        button.setAttribute("aria-disabled", "true");
        trigger(event, { answer: state.answer, patches: state.on ? state.patches : 0 });
      },
    }, t("rerun"));
    slvit.replace(root,
      make("h3", {}, make("span.flag", {}, t("rerun_flag")), t("rerun_title")),
      make("p.say", {}, t("rerun_say")),
      make("div.sliders", {}, make("label.tick", {}, urce, t("urce_on")), number, button),
      make("div.rerun-answer", { "aria-live": "polite" }),
    );
    tell(patches.length);
  }

  async function tell(asked) {
    const box = root.querySelector(".rerun-answer");
    const value = props.value;
    if (state.waiting) return box?.replaceChildren(make("p.empty", { role: "status" }, t("working")));
    if (!box || !value) return;
    if (value.answer !== shown.answer?.answer) return;
    if (value.error) return box.replaceChildren(make("p.notice.error", { role: "alert" }, slvit.said(value.error)));
    const levels = slvit.pixels(await slvit.picture(value.probability)).data.filter((_, at) => at % 4 === 0);
    const boards = ["before", "after", "changed"].map(() => slvit.canvas(shown.photo.width, shown.photo.height));
    const named = (run) => (run ? `${t("urce_with")}, K = ${run}` : t("urce_without"));
    const names = [`${t("as_answered")}: ${named(asked)}`, `${t("rerun_flag")}: ${named(value.patches)}`, t("what_changed")];
    boards.forEach((board, at) => {
      board.setAttribute("role", "img");
      board.setAttribute("aria-label", names[at]);
    });
    const summary = make("p.say", {});
    const certain = [shown.answer, value].map(({ confidence }) => `${t("confidence")} ${Math.round(confidence * 100)} %`);
    box.replaceChildren(
      summary,
      make("div.row", {}, ...boards.map((board, at) => make("figure", {}, make("div.frame", {}, board),
        make("figcaption", {}, make("b", {}, names[at]), " ", at < 2 ? certain[at] : legend())))),
      make("div.sliders", {}, slider(t("threshold"), "rerun-threshold", {
        min: 0.02, max: 0.98, value: state.threshold, change: (v) => { state.threshold = v; draw(boards, levels, summary); },
      })),
      make("p.scale", {}, `${t("rerun_scale")} ${Math.round(value.seconds * 1000)} ms.`),
    );
    draw(boards, levels, summary);
  }

  const gained = [17, 170, 187], lost = [242, 158, 56], meant = [235, 64, 107];
  const legend = () => make("span.legend", {}, ...[["gained", gained], ["lost", lost]].map(([key, colour]) =>
    make("span.tag", {}, make("i", { style: `background: rgb(${colour})` }), t(key))));

  function draw(boards, levels, summary) {
    const { photo, grey, levels: first } = shown;
    const least = slvit.least(state.threshold);
    const ground = grey.getContext("2d").getImageData(0, 0, photo.width, photo.height);
    const images = [photo, photo, ground].map(({ data }) => new ImageData(new Uint8ClampedArray(data), photo.width, photo.height));
    const tint = (image, at, colour, share) => {
      for (let channel = 0; channel < 3; channel += 1)
        image.data[at * 4 + channel] = image.data[at * 4 + channel] * (1 - share) + colour[channel] * share;
    };
    const count = { gained: 0, lost: 0, both: 0 };
    for (let at = 0; at < first.length; at += 1) {
      const was = first[at] >= least, is = levels[at] >= least;
      if (was) tint(images[0], at, meant, 0.5);
      if (is) tint(images[1], at, meant, 0.5);
      if (was && is) { count.both += 1; tint(images[2], at, [255, 255, 255], 0.35); }
      else if (is) { count.gained += 1; tint(images[2], at, gained, 0.85); }
      else if (was) { count.lost += 1; tint(images[2], at, lost, 0.85); }
    }
    images.forEach((image, at) => boards[at].getContext("2d").putImageData(image, 0, 0));
    const union = count.both + count.gained + count.lost;
    summary.textContent = count.gained + count.lost
      ? `${t("gained")}: ${percent(count.gained / first.length)} ${t("area")}. ${t("lost")}: ${percent(count.lost / first.length)} ${t("area")}. ${t("overlap")}: ${percent(count.both / union)}.`
      : t("nothing_changed");
  }

  // A new run starts from the answer that is shown now.
  slvit.follow(element, redraw, { masks: true });
  watch("value", () => {
    state.waiting = false;
    redraw();
  });
};
slvit.rerunBusy = () => ({ run: Math.random(), answer: slvit.shown.answer.answer, error: slvit.t("busy") });
