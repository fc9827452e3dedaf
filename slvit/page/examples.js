// The example photos: a click on one answers its first expression, a click on another of its expressions answers that.
// The address ?example=cow.jpg&say=the+grass opens the page with that answer; link.js keeps it up to date.

slvit.examples = (element, props, trigger, event) => {
  const { t, make } = slvit;
  const root = element.querySelector(".slvit-examples");
  const phrases = make("div.phrases", {});
  const photos = make("div.photos", {});
  let offered = props.value?.[0]; // the example whose expressions stand below the photos
  let marked = null; // the answer

  const pick = (example, expression, closer = false) => {
    mark(example, expression);
    trigger(event, { photo: example.photo, expression, closer });
  };
  // example: none where the photo is the visitor's own.
  const mark = (example, chosen) => {
    offered = example ?? offered;
    photos.querySelectorAll("button").forEach((button) =>
      button.setAttribute("aria-pressed", String(button.dataset.photo === example?.photo)));
    const from = offered;
    slvit.replace(phrases, ...from.expressions.map((expression) =>
      make("button", {
        type: "button", "data-key": expression, "aria-pressed": String(Boolean(example) && expression === chosen), lang: "en",
        onclick: () => pick(from, expression),
      }, expression)));
  };

  for (const example of props.value ?? [])
    photos.append(make("button", {
      type: "button", "data-photo": example.photo, "aria-pressed": "false", "aria-label": `${example.alt}: ${example.expressions[0]}`,
      onclick: () => pick(example, example.expressions[0]),
    }, make("img", { src: example.thumbnail, alt: "", width: 96, height: 72 })));
  if (props.value?.length) {
    root.append(make("h2", {}, t("try_one")), photos, phrases);
    mark(null, null);
    slvit.follow(element, () => {
      const answer = slvit.shown.answer;
      if (!answer || marked === answer.answer) return;
      marked = answer.answer;
      mark(props.value.find((example) => example.photo === answer.example), answer.expression);
    }, { first: true });
    const asked = new URLSearchParams(location.search);
    const linked = props.value.find((example) => example.photo === asked.get("example"));
    if (linked) setTimeout(() => pick(linked, asked.get("say") || linked.expressions[0], asked.has("closer"))); // once all is in place
  }
};
