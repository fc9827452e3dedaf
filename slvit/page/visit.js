// The last answers of this visit, newest first; a click brings one back, and its photo and words with it.

slvit.visit = (element, trigger, event) => {
  const { t, make, shown } = slvit;
  const root = element.querySelector(".slvit-visit");
  const kept = 8; // as many as the server keeps
  const row = make("div.answers", {});
  const hint = make("p.scale", {}, t("visit_none"));
  root.append(make("h2", {}, t("visit")), hint, row);

  function small() {
    const full = slvit.faded(70);
    const board = slvit.canvas(112, 84);
    const scale = Math.max(112 / full.width, 84 / full.height);
    const w = 112 / scale, h = 84 / scale;
    board.getContext("2d").drawImage(full, (full.width - w) / 2, (full.height - h) / 2, w, h, 0, 0, 112, 84);
    return board;
  }

  slvit.follow(element, () => {
    if (!shown.answer) return;
    const { answer, expression } = shown.answer;
    const old = row.querySelector(`[data-answer="${answer}"]`);
    const entry = old ?? make("button", {
      type: "button", "data-answer": answer, title: expression, "aria-label": expression,
      onclick: () => {
        slvit.answered({ answer }); // at once, from what the browser kept; the server then puts photo and words back
        trigger(event, { answer });
      },
    });
    if (entry.dataset.threshold !== String(shown.threshold)) entry.replaceChildren(small());
    entry.dataset.threshold = shown.threshold;
    if (row.firstChild !== entry) row.prepend(entry);
    while (row.children.length > kept) row.lastChild.remove();
    row.querySelectorAll("button").forEach((one) => one.setAttribute("aria-pressed", String(one === entry)));
    hint.hidden = true;
  }, { masks: true });
};
