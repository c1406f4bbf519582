// The filter of the table of trials: words, and conditions on columns. `parseFilter` turns a reader's text into tests of
// a row, and lists the parts that are none.
"use strict";
/**
 * `complete learning_rate < 0.01 "out of memory"` -> { tests: [row => boolean], unclear: [problems], notes: [..] }.
 *
 * Blanks are allowed around signs, and inside names and values of the table; case does not matter.
 */
function parseFilter(typed, { names, columns, isNumeric, searchable, rounded }) {
  const tests = [], unclear = [], notes = [];
  const text = (value) => (value === null || value === undefined ? "" : String(value));
  const plainly = (value) => text(value).toLowerCase();
  const SIGN = /^\s*(<=|>=|!=|==|=|<|>)\s*/;
  const orders = {
    "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b,
  };
  // The longest name first, so that `size_of_all` is not read as `size`.
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

  /** Removes a pattern's match from the start of the remaining text, and returns it. */
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
    const number = Number(value);
    if (!value) {
      unclear.push(`${names[at]} ${sign} what?`);
    } else if (sign in orders) {
      if (!isNumeric[at]) unclear.push(`${names[at]} holds no numbers, so it can only be = or !=`);
      else if (Number.isNaN(number)) unclear.push(`“${value}” is no number`);
      else tests.push((row) => typeof values[row] === "number" && orders[sign](values[row], number));
    } else {
      const same = (row) => plainly(values[row]) === value.toLowerCase()
        || (typeof values[row] === "number" && (values[row] === number || rounded(values[row]) === number));
      tests.push(sign === "=" ? same : (row) => !same(row));
      if (!values.some((_, row) => same(row))) notes.push(`No row has ${names[at]} = ${value}${among(values)}`);
    }
  }

  /** The value after a sign: text in quotes, a value of the column (with its blanks), or text up to a blank. */
  function takeValue(values, sign) {
    const quoted = /^"([^"]*)"?/.exec(rest);
    if (quoted) {
      rest = rest.slice(quoted[0].length);
      return quoted[1];
    }
    if (!(sign in orders)) {
      const start = rest.toLowerCase();
      const matches = [...new Set(values.map(plainly))].filter((value) => value && start.startsWith(value)
        && !/\S/.test(start.charAt(value.length)));
      if (matches.length) return take(new RegExp(`^[^]{${Math.max(...matches.map((value) => value.length))}}`));
    }
    return take(/^[^\s]+/);
  }

  function among(values) {
    const distinct = [...new Set(values.map(text))].filter(Boolean);
    return distinct.length && distinct.length <= 6 ? `: there are ${distinct.map((value) => value.slice(0, 40)).join(", ")}` : "";
  }

  /** `: learning_rate?`, the column's name that a word resembles most; empty if it resembles none. */
  function nearest(word) {
    const lower = word.toLowerCase();
    const scored = names.map((name) => [distance(lower, name.toLowerCase()), name]);
    const holding = names.filter((name) => lower.length > 1 && name.toLowerCase().includes(lower));
    const [least, name] = scored.sort(([a], [b]) => a - b)[0] || [Infinity, ""];
    const initials = names.filter((name) => name.toLowerCase().split(/[_\s-]+/).map((part) => part[0]).join("") === lower);
    const suggestion = holding[0] || initials[0] || (least <= Math.max(2, lower.length / 3) ? name : "");
    return suggestion ? `: ${suggestion}?` : "";
  }

  /** Letters to add, drop or change to turn one word into the other (Levenshtein). */
  function distance(word, other) {
    let before = Array.from({ length: other.length + 1 }, (_, at) => at);
    for (let i = 1; i <= word.length; i += 1) {
      const now = [i];
      for (let j = 1; j <= other.length; j += 1) {
        now.push(Math.min(before[j] + 1, now[j - 1] + 1, before[j - 1] + (word[i - 1] === other[j - 1] ? 0 : 1)));
      }
      before = now;
    }
    return before[other.length];
  }
}
