// The example photos: a click on one answers its first expression, a click on another of its expressions answers that.
// The address ?example=cow.jpg&say=the+grass opens the page with that answer.

slvit.examples = (element, props, trigger, event) => {
  const { t, make } = slvit;
  const root = element.querySelector(".slvit-examples");
  const phrases = make("div.phrases", {});
  const photos = make("div.photos", {});

  const pick = (example, expression) => {
    photos.querySelectorAll("button").forEach((button) =>
      button.setAttribute("aria-pressed", String(button.dataset.photo === example.photo)));
    offer(example, expression);
    // A link that opens this example again. Photos of the visitor's own are nowhere kept, so they have none.
    history.replaceState(null, "", `?${new URLSearchParams({ ...kept(), example: example.photo, say: expression })}`);
    trigger(event, { photo: example.photo, expression });
  };
  const kept = () => Object.fromEntries([...new URLSearchParams(location.search)].filter(([key]) => key.startsWith("__")));
  const offer = (example, chosen) => phrases.replaceChildren(...example.expressions.map((expression) =>
    make("button", {
      type: "button", "aria-pressed": String(expression === chosen), lang: "en", onclick: () => pick(example, expression),
    }, expression)));

  for (const example of props.value ?? [])
    photos.append(make("button", {
      type: "button", "data-photo": example.photo, "aria-pressed": "false", "aria-label": `${example.alt}: ${example.expressions[0]}`,
      onclick: () => pick(example, example.expressions[0]),
    }, make("img", { src: example.thumbnail, alt: "", width: 96, height: 72 })));
  if (props.value?.length) {
    root.append(make("h2", {}, t("try_one")), photos, phrases);
    offer(props.value[0], null);
    const asked = new URLSearchParams(location.search);
    const linked = props.value.find((example) => example.photo === asked.get("example"));
    if (linked) setTimeout(() => pick(linked, asked.get("say") || linked.expressions[0])); // once all is in place
  }
};
