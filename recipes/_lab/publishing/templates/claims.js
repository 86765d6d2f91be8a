// Filters and sorts the claims, keeps the choice in the address, opens the claim that it names.
const form = document.getElementById("filters");
const forest = document.getElementById("forest");
const sections = [...forest.querySelectorAll("section")];
const claims = [...forest.querySelectorAll("details.claim")].map((element) => ({
  element,
  home: element.parentElement,
  ours: element.dataset.source === "ours",
  words: `${element.querySelector(".text").textContent} ${element.id}`.toLowerCase(),
}));
const sorted = forest.appendChild(document.createElement("section"));
let sortedBy = "";
let oursAlone = false;

function matches(claim, chosen) {
  const { topic, verdict, source } = claim.element.dataset;
  const verdicts = chosen.getAll("verdict");
  const words = chosen.get("text").toLowerCase().split(/\s+/);
  return (!chosen.get("topic") || chosen.get("topic") === topic)
    && (!verdicts.length || verdicts.includes(verdict))
    && (!chosen.get("source") || chosen.get("source") === source)
    && words.every((word) => claim.words.includes(word));
}

function arrange(by) {
  if (by === sortedBy) return;
  sortedBy = by;
  if (by) {
    const order = [...claims].sort((a, b) => a.element.dataset[by] - b.element.dataset[by]);
    sorted.append(...order.map((claim) => claim.element));
  } else {
    for (const { element, home } of claims) {
      home.insertBefore(element, home.querySelector(":scope > details.ours"));
    }
  }
}

function show() {
  const chosen = new FormData(form);
  const by = chosen.get("sort");
  const ours = chosen.get("source") === "ours";
  arrange(by);
  // Ours are folded away under their topic. A sorted list is of one kind.
  for (const claim of claims) {
    claim.element.hidden = !matches(claim, chosen) || (by && claim.ours && !ours);
  }
  for (const folded of forest.querySelectorAll("details.ours")) {
    const count = folded.querySelectorAll("details.claim:not([hidden])").length;
    folded.querySelector("span").textContent = count;
    folded.hidden = !count;
    if (ours !== oursAlone) folded.open = ours;
  }
  oursAlone = ours;
  for (const section of sections) {
    section.hidden = !section.querySelector("details.claim:not([hidden])");
  }
  const of = claims.filter((claim) => claim.ours === ours);
  const shown = of.filter((claim) => !claim.element.hidden).length;
  document.getElementById("count").textContent =
    `${shown} of ${of.length} ${ours ? "of our own" : "textbook"} claims`;
}

function remember() {
  const chosen = [...new FormData(form)].filter(([, value]) => value);
  const query = new URLSearchParams(chosen).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

function recall() {
  for (const [name, value] of new URLSearchParams(location.search)) {
    for (const field of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
      if (field.type === "checkbox") field.checked ||= field.value === value;
      else field.value = value;
    }
  }
}

function openNamed() {
  const claim = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!claim?.matches("details.claim")) return;
  if (claim.hidden) {
    form.reset();
    show();
  }
  const folded = claim.closest("details.ours");
  if (folded) folded.open = true;
  claim.open = true;
  claim.scrollIntoView();
  claim.querySelector("summary").focus({ preventScroll: true });
}

form.addEventListener("input", () => { show(); remember(); });
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(() => { show(); remember(); }));
addEventListener("hashchange", openNamed);
addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.matches("input, select")) {
    event.preventDefault();
    form.elements.text.focus();
  }
});
recall();
show();
openNamed();
