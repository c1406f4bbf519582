// Draws the pictures and the table of interactive.html from the JSON in the page. It loads nothing from elsewhere, and
// puts a sweep's values into the page as text only.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const column = (packed) => (Array.isArray(packed) ? packed : packed.at.map((place) => packed.of[place]));
  const text = (value) => (value === null || value === undefined ? "" : String(value));

  // -- pictures

  /** A spec for a place `room` pixels wide: a picture that is wider is laid out again, so that its text stays readable. */
  function fitted(spec, room) {
    const axes = 110, letter = 6.5;  // pixels, roughly: labels and titles beside `width`; a letter
    if (!(spec.layer || spec.mark) || typeof spec.width !== "number" || spec.width + axes <= room) return spec;
    const config = { ...spec.config };
    if (letter * longestLegend(spec) > room - axes) config.legend = { ...config.legend, columns: 1 };
    const readable = narrowed(letter * longestLabels(spec) > room - axes ? turned(spec) : spec, room);
    const height = Math.max(spec.height, 34 * dateRanges(spec));  // each on two lines
    return { ...readable, config, width: room, height, autosize: { type: "fit-x", contains: "padding" } };
  }

  /** Letters of the longest legend, with room for its symbols. */
  function longestLegend(node) {
    if (node === null || typeof node !== "object") return 0;
    const domain = node.scale && Array.isArray(node.scale.domain) ? node.scale.domain.map(String) : [];
    const parts = Object.entries(node).filter(([name]) => name !== "data").map(([, part]) => longestLegend(part));
    return Math.max(domain.join("     ").length, ...parts);
  }

  /** Number of date ranges along y. */
  function dateRanges(spec) {
    const values = (spec.layer || [spec]).flatMap((layer) => (layer.data || spec.data || {}).values || []);
    return new Set(values.map((value) => text(value.y)).filter((y) => y.includes(" to "))).size;
  }

  /** Letters of the labels of single values along x. */
  function longestLabels(spec) {
    const counts = (spec.layer || [spec]).map((layer) => {
      const x = (layer.encoding || spec.encoding || {}).x;
      if (!x || !["ordinal", "nominal"].includes(x.type)) return 0;
      const values = ((layer.data || spec.data || {}).values || []).map((value) => text(value[x.field]));
      return [...new Set(values)].join("  ").length;
    });
    return Math.max(0, ...counts);
  }

  /** The picture with date ranges and a legend's title on two lines, and shorter labels. */
  function narrowed(node, room) {
    if (node === null || typeof node !== "object") return node;
    if (Array.isArray(node)) return node.map((part) => narrowed(part, room));
    return Object.fromEntries(Object.entries(node).map(([name, part]) => {
      if (name === "data" || name === "datasets") return [name, part];
      if (name === "titleLimit") return [name, Math.min(part, 0.6 * room)];
      if (name === "legend" && part) return [name, narrowedLegend(part, room)];
      if (name === "axis" && part && part.labelLimit) return [name, narrowedAxis(part, room)];
      return [name, narrowed(part, room)];
    }));
  }

  function narrowedLegend(legend, room) {
    const title = typeof legend.title === "string" ? legend.title.split(/ (?=\()/) : legend.title;
    const titleLimit = legend.titleLimit && Math.min(legend.titleLimit, 0.6 * room);
    return { ...legend, title, ...(titleLimit ? { titleLimit } : {}), labelLimit: room - 40 };  // 40: its symbol
  }

  function narrowedAxis(axis, room) {
    const lines = { labelExpr: "split(datum.label, ' to ')", labelFontSize: 11, labelLineHeight: 12 };
    return { ...(axis.labelExpr ? {} : lines), ...axis, labelLimit: Math.min(axis.labelLimit, room / 3) };
  }

  /** The picture with its labels along x at an angle. */
  function turned(spec) {
    const layers = (spec.layer || [spec]).map((layer) => {
      const x = (layer.encoding || {}).x;
      if (!x) return layer;
      return { ...layer, encoding: { ...layer.encoding, x: { ...x, axis: { ...x.axis, labelAngle: -40 } } } };
    });
    return spec.layer ? { ...spec, layer: layers } : layers[0];
  }

  const places = [...document.querySelectorAll("[data-picture]")];
  const drawn = new Map();
  function drawPictures() {
    places.forEach((place) => {
      const spec = fitted(data.pictures[Number(place.dataset.picture)], place.clientWidth);
      const before = drawn.get(place);
      if (before && before.width === spec.width) return;
      if (before && before.view) before.view.finalize();
      const now = { width: spec.width, view: null };
      drawn.set(place, now);
      vegaEmbed(place, spec, { actions: false, renderer: "svg" }).then((view) => {
        now.view = view;
        // A screen reader reads the alternative text of the place, not hundreds of marks.
        place.querySelector("svg").setAttribute("aria-hidden", "true");
      }).catch((error) => {
        place.textContent = String(error);
        console.error(error);
      });
    });
  }
  let later = 0;
  window.addEventListener("resize", () => { clearTimeout(later); later = setTimeout(drawPictures, 200); });
  drawPictures();

  // -- the table

  const columns = data.table.map(column);
  const names = data.columns;
  const links = Object.entries(data.links).map(([name, packed]) => ({ name, pattern: packed.pattern, of: column(packed.of) }));
  const count = columns.length ? columns[0].length : 0;
  const rows = Array.from({ length: count }, (_, row) => row);
  const searchable = rows.map((row) => columns.map((values) => text(values[row])).join("\n").toLowerCase());
  const isNumeric = columns.map((values) => values.some((value) => typeof value === "number"));
  const head = document.querySelector("#trials thead tr");
  const body = document.querySelector("#trials tbody");
  const [filter, said, unclear, more, by, down] =
    ["filter", "said", "unclear", "more", "by", "down"].map((id) => document.getElementById(id));
  const STEP = matchMedia("(max-width: 48rem)").matches ? 40 : 200;
  const LINKS_AT = 2;  // after trial and status: at the end of a wide table they would be out of sight
  let shown = STEP;
  let sorted = { by: -1, down: false };

  /** A number as the table shows it, and as people type it. */
  const rounded = (value) => (typeof value === "number" ? Number(value.toPrecision(4)) : value);

  function linkOf(link, row) {
    const address = link.of[row];
    if (address !== "") return address;
    return link.pattern.replace("{trial}", data.trials[row]).replace("{attempt}", data.attempts[row]);
  }

  function cellOf(name, content) {
    const cell = document.createElement("td");
    cell.setAttribute("role", "cell");
    cell.dataset.label = name;
    cell.append(content);
    return cell;
  }

  function linkCell(link, row) {
    const address = linkOf(link, row);
    const cell = document.createElement("td");
    cell.setAttribute("role", "cell");
    if (!address) return cell;
    const anchor = document.createElement("a");
    anchor.href = address;
    anchor.textContent = link.name;
    anchor.setAttribute("aria-label", `${link.name} of ${data.trials[row]}`);
    cell.append(anchor);
    return cell;
  }

  function lineOf(row) {
    const line = document.createElement("tr");
    line.setAttribute("role", "row");
    columns.forEach((values, at) => {
      const cell = cellOf(names[at], text(rounded(values[row])));
      if (names[at] === "status") cell.className = `status ${text(values[row])}`;
      if (names[at] === "error") cell.className = "text";
      if (at < LINKS_AT) delete cell.dataset.label;
      line.append(cell);
    });
    const after = line.children[LINKS_AT] || null;
    links.forEach((link) => line.insertBefore(linkCell(link, row), after));
    return line;
  }

  function compare(a, b) {
    const [x, y] = [columns[sorted.by][a], columns[sorted.by][b]];
    const [noX, noY] = [x === null || x === undefined, y === null || y === undefined];
    if (noX || noY) return Number(noX) - Number(noY);  // missing values go last in both directions
    const order = typeof x === "number" && typeof y === "number"
      ? x - y : text(x).localeCompare(text(y), "en", { numeric: true });
    return sorted.down ? -order : order;
  }

  function draw() {
    const parsed = parseFilter(filter.value, { names, columns, isNumeric, searchable, rounded });
    const matches = rows.filter((row) => parsed.tests.every((fits) => fits(row)));
    if (sorted.by >= 0) matches.sort(compare);
    else if (sorted.down) matches.reverse();
    body.replaceChildren(...matches.slice(0, shown).map(lineOf));
    said.textContent = `${matches.length} of ${count} trials`;
    const ignored = parsed.unclear.length ? [`Ignored: ${parsed.unclear.join("; ")}`] : [];
    unclear.textContent = [...ignored, ...parsed.notes].join("; ");
    more.hidden = matches.length <= shown;
  }

  function sort(next) {
    sorted = next;
    by.value = String(sorted.by);
    down.checked = sorted.down;
    heads.forEach((cell, at) => {
      if (at === sorted.by) cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    draw();
  }

  const heads = names.map((name, at) => {
    const cell = document.createElement("th");
    cell.setAttribute("role", "columnheader");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => sort({ by: at, down: sorted.by === at && !sorted.down }));
    cell.append(button);
    head.append(cell);
    const option = document.createElement("option");
    option.value = String(at);
    option.textContent = name;
    by.append(option);
    return cell;
  });
  links.forEach(({ name }) => {
    const cell = document.createElement("th");
    cell.setAttribute("role", "columnheader");
    cell.textContent = name;
    head.insertBefore(cell, heads[LINKS_AT] || null);
  });
  by.addEventListener("change", () => sort({ by: Number(by.value), down: down.checked }));
  down.addEventListener("change", () => sort({ by: Number(by.value), down: down.checked }));
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
