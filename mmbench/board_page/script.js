"use strict";
// Sorts and filters the tables, and shows the records of a value. All text of records is set as
// text, never as HTML.
(() => {
  const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const rows = [...document.querySelectorAll(".board tbody tr")];
  const dialog = document.getElementById("records");
  let cells = null; // read when the first value is opened
  let texts = null; // of the rows, read when the first word is typed

  function sort(head) {
    const numbers = head.classList.contains("number");
    const [first, second] = numbers ? ["descending", "ascending"] : ["ascending", "descending"];
    const direction = head.ariaSort === first ? second : first;
    const sign = direction === "ascending" ? 1 : -1;
    const body = head.closest("table").tBodies[0];
    const keyed = [...body.rows].map((row) => {
      const cell = row.cells[head.cellIndex];
      return { row, key: numbers ? parseFloat(cell.dataset.value) : cell.textContent };
    });
    // What has no value stands last, whichever way the others stand.
    const missing = (key) => key === "" || Number.isNaN(key);
    keyed.sort((one, other) => {
      if (missing(one.key) || missing(other.key)) return missing(one.key) - missing(other.key);
      return sign * (numbers ? one.key - other.key : order.compare(one.key, other.key));
    });
    for (const each of head.parentElement.cells) each.ariaSort = "none";
    head.ariaSort = direction;
    body.append(...keyed.map((each) => each.row));
  }

  function textOf(row) {
    return [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
  }

  function filter(text) {
    texts ??= rows.map(textOf);
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, place) => {
      row.hidden = !words.every((word) => texts[place].includes(word));
      shown += !row.hidden;
    });
    const said = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
    document.getElementById("count").textContent = words.length ? said : "";
  }

  function element(name, text, ...children) {
    const made = document.createElement(name);
    made.textContent = text;
    made.append(...children);
    return made;
  }

  function list(words) {
    const pairs = Object.entries(words);
    return element("dl", "", ...pairs.flatMap(([term, text]) => [element("dt", term), element("dd", text)]));
  }

  function repeated(command) {
    if (!command) return [element("p", "The record does not say which command repeats it.")];
    const made = [element("h4", "The command that repeats it"), element("pre", command)];
    if (navigator.clipboard) {
      const copy = element("button", "Copy");
      copy.type = "button";
      copy.className = "copy";
      copy.addEventListener("click", async () => {
        await navigator.clipboard.writeText(command);
        copy.textContent = "Copied";
      });
      made.push(copy);
    }
    return made;
  }

  function record(told) {
    const details = element("details", "", element("summary", "All that the record says"));
    details.append(element("pre", JSON.stringify(told.facts, null, 1)));
    const error = told.error ? [element("h4", "Why it ended"), element("pre", told.error)] : [];
    return element(
      "section", "", element("h3", `Seed ${told.seed}: ${told.status}`),
      list({ ...told.words, file: told.file }), ...error, ...repeated(told.command), details,
    );
  }

  function curve(id) {
    const line = document.querySelector(`section [data-curve="${id}"]`);
    if (!line) return [];
    const drawing = line.closest("svg").cloneNode(true);
    for (const each of drawing.querySelectorAll(`[data-curve="${id}"]`)) each.classList.add("this");
    return [element("h4", "Validation while training, its seeds among all"), drawing];
  }

  function open(id) {
    cells ??= JSON.parse(document.getElementById("cells").textContent);
    const cell = cells[id];
    document.getElementById("records-title").textContent = cell.name;
    const body = document.getElementById("records-body");
    body.replaceChildren(list(cell.words), ...curve(id), ...cell.records.map(record));
    dialog.showModal();
    dialog.scrollTop = 0;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (event.target === dialog || button?.classList.contains("close")) dialog.close();
    else if (button?.dataset.cell) open(button.dataset.cell);
    else if (button?.closest("thead")) sort(button.closest("th"));
  });
  const input = document.getElementById("filter");
  input.addEventListener("input", () => filter(input.value));
  // A browser keeps what was typed when a page is loaded again.
  if (input.value) filter(input.value);
})();
