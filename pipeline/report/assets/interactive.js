// Draws the pictures and the table of interactive.html from the JSON in the page. It asks no host for anything, and
// what comes out of a sweep gets into the page as text only.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  document.querySelectorAll("[data-picture]").forEach((place) => {
    const spec = data.pictures[Number(place.dataset.picture)];
    vegaEmbed(place, spec, { actions: false, renderer: "svg" }).catch((error) => {
      place.textContent = String(error);
      console.error(error);
    });
  });

  const column = (packed) => (Array.isArray(packed) ? packed : packed.at.map((place) => packed.of[place]));
  const columns = data.table.map(column);
  const names = data.columns;
  const count = columns.length ? columns[0].length : 0;
  const text = (value) => (value === null || value === undefined ? "" : String(value));
  const rows = Array.from({ length: count }, (_, row) => row);
  const searchable = rows.map((row) => columns.map((values) => text(values[row])).join("\n").toLowerCase());
  const head = document.querySelector("#trials thead tr");
  const body = document.querySelector("#trials tbody");
  const filter = document.getElementById("filter");
  const said = document.getElementById("said");
  const more = document.getElementById("more");
  const STEP = 200;
  let shown = STEP;
  let sorted = { by: -1, down: false };

  const tests = {
    "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a === b,
  };
  /** A word of the filter as a test of a row: `learning_rate<0.01`, or text that must stand anywhere in it. */
  function test(word) {
    const match = /^(.+?)(<=|>=|=|<|>)(.+)$/.exec(word);
    const at = match ? names.findIndex((name) => name.toLowerCase() === match[1]) : -1;
    if (at < 0) return (row) => searchable[row].includes(word);
    const wanted = Number(match[3]);
    if (Number.isNaN(wanted)) return (row) => match[2] === "=" && text(columns[at][row]).toLowerCase() === match[3];
    return (row) => columns[at][row] !== null && tests[match[2]](Number(columns[at][row]), wanted);
  }

  function compare(a, b) {
    const [x, y] = [columns[sorted.by][a], columns[sorted.by][b]];
    const [noX, noY] = [x === null || x === undefined, y === null || y === undefined];
    if (noX || noY) return Number(noX) - Number(noY);  // what is missing stands last, either way
    const order = typeof x === "number" && typeof y === "number"
      ? x - y : text(x).localeCompare(text(y), "en", { numeric: true });
    return sorted.down ? -order : order;
  }

  function draw() {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean).map(test);
    const found = rows.filter((row) => wanted.every((fits) => fits(row)));
    if (sorted.by >= 0) found.sort(compare);
    body.replaceChildren(...found.slice(0, shown).map((row) => {
      const line = document.createElement("tr");
      columns.forEach((values, at) => {
        const cell = document.createElement("td");
        const value = values[row];
        cell.textContent = typeof value === "number" ? String(Number(value.toPrecision(4))) : text(value);
        if (names[at] === "status") cell.className = `status ${text(value)}`;
        line.append(cell);
      });
      return line;
    }));
    said.textContent = `${found.length} of ${count} trials`;
    more.hidden = found.length <= shown;
  }

  names.forEach((name, at) => {
    const cell = document.createElement("th");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => {
      sorted = { by: at, down: sorted.by === at && !sorted.down };
      head.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      draw();
    });
    cell.append(button);
    head.append(cell);
  });
  filter.addEventListener("input", () => { shown = STEP; draw(); });
  more.addEventListener("click", () => { shown += STEP; draw(); });
  document.querySelectorAll("button[data-copy]").forEach((button) => button.addEventListener("click", async () => {
    const code = document.getElementById(button.dataset.copy);
    getSelection().selectAllChildren(code);
    try { await navigator.clipboard.writeText(code.textContent); button.textContent = "copied"; }
    catch { button.textContent = "selected: copy with Ctrl-C"; }
  }));
  draw();
})();
