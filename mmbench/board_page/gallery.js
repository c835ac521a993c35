// Fills the galleries: what a chosen user took, and what a chosen recommender gave them. All words
// of data are set as text, and pictures are those that the page holds.
(() => {
  const { pictures, galleries } = JSON.parse(document.getElementById("galleries").textContent);

  function element(name, classes, text, ...children) {
    const made = document.createElement(name);
    made.className = classes;
    made.textContent = text;
    made.append(...children);
    return made;
  }

  function words(name, classes, text) {
    const made = element(name, classes, text);
    made.dir = "auto";
    return made;
  }

  function card([title, place, trouble], mark, number) {
    const said = number ? [element("span", "rank", `${number}`)] : [];
    if (mark) said.push(element("span", "mark", mark));
    const below = said.length ? [element("p", "said", "", ...said)] : [];
    if (place < 0) {
      const why = element("p", "why", trouble);
      return element("li", "card", "", element("div", "frame none", "", words("p", "title", title), why), ...below);
    }
    const image = new Image();
    image.src = pictures[place];
    image.alt = `picture of ${title}`;
    return element("li", "card", "", element("div", "frame", "", image), ...below, words("p", "title", title));
  }

  function row(name, cards) {
    const made = element(name, "cards", "", ...cards);
    made.setAttribute("role", "list"); // some readers forget it where no bullets are drawn
    return made;
  }

  function count(number, noun) {
    return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  }

  function part(heading, told, list) {
    const head = element("h4", "", heading, element("span", "pale", ` ${told}`));
    return element("div", "part", "", head, list);
  }

  function some(shown, all, which) {
    return shown < all ? `${which}${shown} of ${count(all, "item")}` : count(all, "item");
  }

  function system(gallery, user, place) {
    const hits = new Set(user.hits[place]);
    const cards = user.lists[place].map((item, rank) => {
      const made = card(gallery.items[item], hits.has(rank) ? "✓ hit" : "", rank + 1);
      made.classList.toggle("hit", hits.has(rank));
      return made;
    });
    const { label, seed } = gallery.systems[place];
    const told = `${count(hits.size, "hit")} in ${cards.length}, seed ${seed}`;
    return part(label, told, row("ol", cards));
  }

  function held(gallery, user, chosen) {
    return user.held.map((item) => {
      const found = chosen.filter((place) => user.lists[place].includes(item)).length;
      return card(gallery.items[item], found ? `✓ in ${found} of ${chosen.length}` : "");
    });
  }

  function fill(section, gallery) {
    const user = gallery.users[section.querySelector("select.user").value];
    const model = Number(section.querySelector("select.recommender").value);
    const chosen = [...gallery.systems.keys()].filter((place) => gallery.systems[place].model === model);
    const latest = gallery.timed ? "the latest " : "";
    const name = `User ${user.name}, ${gallery.models[model]}`;
    section.querySelector(".hung").replaceChildren(
      element("h4", "who", name),
      part("Taken in training:", some(user.taken.length, user.train, latest), row("ul", user.taken.map((item) => card(gallery.items[item])))),
      part("Held out for the test:", some(user.held.length, user.test, latest), row("ul", held(gallery, user, chosen))),
      ...chosen.map((place) => system(gallery, user, place)),
    );
    const hits = chosen.reduce((sum, place) => sum + user.hits[place].length, 0);
    const all = chosen.reduce((sum, place) => sum + user.lists[place].length, 0);
    section.querySelector("[role=status]").textContent =
      `${name}: ${count(hits, "hit")} in ${count(all, "recommendation")} of ${count(chosen.length, "encoder")}`;
  }

  for (const section of document.querySelectorAll("[data-gallery]")) {
    const gallery = galleries[section.dataset.gallery];
    if (!gallery) continue;
    section.addEventListener("change", () => fill(section, gallery));
    fill(section, gallery);
  }
})();
