// What a reader types to see some rows only: words, and columns with a value. `parseFilter` makes tests of a row of it,
// and says what it could not make a test of.
"use strict";
/**
 * `complete learning_rate < 0.01 "out of memory"` -> { tests: [row => boolean], unclear: [what is left out], notes: [..] }.
 *
 * Blanks may stand around signs, and in names and values that the table has; case does not matter.
 */
function parseFilter(typed, { names, columns, isNumeric, searchable, rounded }) {
  const tests = [], unclear = [], notes = [];
  const text = (value) => (value === null || value === undefined ? "" : String(value));
  const plainly = (value) => text(value).toLowerCase();
  const SIGN = /^\s*(<=|>=|!=|==|=|<|>)\s*/;
  const orders = {
    "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b,
  };
  // The longest name first: `size` must not be taken for the beginning of `size_of_all`.
  const patterns = names
    .map((name, at) => [at, new RegExp(`^"?${escaped(name).replace(/[_\s-]+/g, "[_\\s-]+")}"?(?=\\s*(?:[<>=]|!=))`, "i")])
    .sort(([a], [b]) => names[b].length - names[a].length);

  let rest = typed.trim();
  while (rest) {
    const [at, name] = columnAtStart();
    if (at >= 0) {
      rest = rest.slice(name.length);
      const sign = take(SIGN).trim();
      addComparison(at, sign === "==" ? "=" : sign);
    } else {
      addWord();
    }
    rest = rest.trimStart();
  }
  return { tests, unclear, notes };

  function escaped(name) {
    return name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  }

  function columnAtStart() {
    for (const [at, pattern] of patterns) {
      const match = pattern.exec(rest);
      if (match) return [at, match[0]];
    }
    return [-1, ""];
  }

  /** What a pattern matches at the start of what is left, which is shorter afterwards. */
  function take(pattern) {
    const match = pattern.exec(rest);
    if (!match) return "";
    rest = rest.slice(match[0].length);
    return match[0];
  }

  function addWord() {
    const quoted = /^"([^"]*)"?/.exec(rest);
    if (quoted) {
      rest = rest.slice(quoted[0].length);
      const phrase = quoted[1].toLowerCase();
      tests.push((row) => searchable[row].includes(phrase));
      return;
    }
    const unknown = /^([^\s<>=!]*)\s*(<=|>=|!=|==|=|<|>)\s*("[^"]*"?|[^\s]*)/.exec(rest);
    if (unknown) {
      rest = rest.slice(unknown[0].length);
      unclear.push(unknown[1] ? `no column is called “${unknown[1]}”${nearest(unknown[1])}` : `no column before “${unknown[0]}”`);
      return;
    }
    const word = take(/^\S+/).toLowerCase();
    if (word !== "and" && word !== ",") tests.push((row) => searchable[row].includes(word));
  }

  function addComparison(at, sign) {
    const values = columns[at];
    const value = takeValue(values, sign);
    const wanted = Number(value);
    if (!value) {
      unclear.push(`${names[at]} ${sign} what?`);
    } else if (sign in orders) {
      if (!isNumeric[at]) unclear.push(`${names[at]} holds no numbers, so it can only be = or !=`);
      else if (Number.isNaN(wanted)) unclear.push(`“${value}” is no number`);
      else tests.push((row) => typeof values[row] === "number" && orders[sign](values[row], wanted));
    } else {
      const same = (row) => plainly(values[row]) === value.toLowerCase()
        || (typeof values[row] === "number" && (values[row] === wanted || rounded(values[row]) === wanted));
      tests.push(sign === "=" ? same : (row) => !same(row));
      if (!values.some((_, row) => same(row))) notes.push(`No row has ${names[at]} = ${value}${among(values)}`);
    }
  }

  /** The value behind a sign: in quotes, one that the column has, blanks and all, or what stands before a blank. */
  function takeValue(values, sign) {
    const quoted = /^"([^"]*)"?/.exec(rest);
    if (quoted) {
      rest = rest.slice(quoted[0].length);
      return quoted[1];
    }
    if (!(sign in orders)) {
      const start = rest.toLowerCase();
      const held = [...new Set(values.map(plainly))].filter((value) => value && start.startsWith(value)
        && !/\S/.test(start.charAt(value.length)));
      if (held.length) return take(new RegExp(`^[^]{${Math.max(...held.map((value) => value.length))}}`));
    }
    return take(/^[^\s]+/);
  }

  function among(values) {
    const distinct = [...new Set(values.map(text))].filter(Boolean);
    return distinct.length && distinct.length <= 6 ? `: there are ${distinct.map((one) => one.slice(0, 40)).join(", ")}` : "";
  }

  /** `; learning_rate?`: a name that was meant, perhaps. */
  function nearest(word) {
    const wanted = word.toLowerCase();
    const scored = names.map((name) => [distance(wanted, name.toLowerCase()), name]);
    const holding = names.filter((name) => wanted.length > 1 && name.toLowerCase().includes(wanted));
    const [least, name] = scored.sort(([a], [b]) => a - b)[0] || [Infinity, ""];
    const initials = names.filter((one) => one.toLowerCase().split(/[_\s-]+/).map((part) => part[0]).join("") === wanted);
    const meant = holding[0] || initials[0] || (least <= Math.max(2, wanted.length / 3) ? name : "");
    return meant ? `: ${meant}?` : "";
  }

  /** Letters to add, drop or change until one word is the other. */
  function distance(one, other) {
    let before = Array.from({ length: other.length + 1 }, (_, at) => at);
    for (let i = 1; i <= one.length; i += 1) {
      const now = [i];
      for (let j = 1; j <= other.length; j += 1) {
        now.push(Math.min(before[j] + 1, now[j - 1] + 1, before[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1)));
      }
      before = now;
    }
    return before[other.length];
  }
}
