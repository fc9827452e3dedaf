// The photo box. Chromium and Firefox cannot show a TIFF or HEIC photo, though it is read: then words stand in its place.

slvit.photoShown = ({ type, target }) => {
  const box = target.closest?.("#photo");
  if (!box || target.tagName !== "IMG") return;
  box.dataset.unseen = slvit.t("unseen");
  box.classList.toggle("unseen", type === "error");
};
for (const type of ["load", "error"]) document.addEventListener(type, slvit.photoShown, true); // they do not bubble

// What was compared belongs to one photo. This tab is filled when it is first opened, often after the photo has come.
slvit.photoChanged = (photo) => {
  slvit.photoNow = photo?.path ?? null;
  slvit.compareAgain?.();
};
