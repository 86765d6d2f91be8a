// Shows the recipes whose name, question, main claim or symptoms hold all words that are typed.
const form = document.getElementById("search");
const field = form.elements.text;
const cards = [...document.querySelectorAll(".card")].map((element) => ({
  element,
  words: `${element.textContent} ${element.dataset.symptoms}`.toLowerCase(),
}));

function show() {
  const words = field.value.toLowerCase().split(/\s+/);
  for (const card of cards) {
    card.element.hidden = !words.every((word) => card.words.includes(word));
  }
  for (const topic of document.querySelectorAll(".topic")) {
    topic.hidden = !topic.querySelector(".card:not([hidden])");
  }
  const shown = cards.filter((card) => !card.element.hidden).length;
  document.getElementById("count").textContent =
    field.value.trim() ? `${shown} of ${cards.length} recipes` : "";
}

form.addEventListener("input", show);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (field.value.trim()) cards.find((card) => !card.element.hidden)?.element.click();
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target !== field) {
    event.preventDefault();
    field.focus();
  }
});
show(); // a browser that goes back fills the field in again
