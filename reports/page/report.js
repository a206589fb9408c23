"use strict";
(() => {
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const labels = {pass: "pass", fail: "fail", error: "error", "not-verified": "not verified", unproven: "unproven", waived: "waived", "not-applicable": "n/a", unchecked: "no check yet"};
  const badness = ["fail", "error", "not-verified", "unproven", "waived", "pass", "not-applicable", "unchecked"];

  // Everything shown comes from what a target answered: it becomes text nodes only, with nothing invisible in it.
  const hidden = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff]|\p{Surrogate}/gu;
  const escape = (c) => { const n = c.charCodeAt(0); return n < 256 ? "\\x" + n.toString(16).padStart(2, "0") : "\\u" + n.toString(16).padStart(4, "0"); };
  const clean = (value) => String(value).replace(hidden, escape);

  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value != null) node.setAttribute(name, clean(value));
    }
    for (const child of children.flat()) if (child != null && child !== "") node.append(child instanceof Node ? child : clean(child));
    return node;
  }

  function chip(kind, text) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", "#i-" + kind);
    svg.append(use);
    return make("span", {class: "chip " + kind}, svg, text || labels[kind]);
  }

  // The catalogue writes names between backticks.
  const prose = (text) => make("p", {}, text.split("`").map((part, place) => place % 2 ? make("code", {}, part) : part));

  // ---- packed details ------------------------------------------------------------------------------------------
  const unpacked = new Map();
  function unpack(group) {
    if (!unpacked.has(group)) unpacked.set(group, (async () => {
      const node = all("script[data-block]").find((script) => script.dataset.block === group);
      const bytes = Uint8Array.from(atob(node.textContent), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      return JSON.parse(await new Response(stream).text());
    })());
    return unpacked.get(group);
  }

  // ---- evidence ------------------------------------------------------------------------------------------------
  const copyable = (text) => {
    const button = make("button", {type: "button", class: "copy"}, "Copy");
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; }
      catch { getSelection().selectAllChildren(button.previousElementSibling); }
    });
    return make("div", {class: "command"}, make("pre", {}, text), button);
  };
  const message = (start, headers, body) => [start, ...headers.map(([name, value]) => name + ": " + value), ...(body ? ["", body] : [])].join("\n");
  const seconds = (value) => value < 0.0995 ? Math.round(value * 1000) + " ms" : value < 9.95 ? value.toFixed(1) + " s" : Math.round(value) + " s";

  const show = {
    exchange(e) {
      const outcome = e.status ? String(e.status) : "no answer";
      return make("details", {class: "evidence"},
        make("summary", {}, make("b", {}, e.method), " " + e.url + " → ", make("b", {}, outcome), "  ", make("span", {class: "fine"}, seconds(e.elapsed_ms / 1000))),
        make("div", {},
          make("pre", {"aria-label": "Request"}, message(e.method + " " + e.url, e.request_headers, e.request_body)),
          make("pre", {"aria-label": "Answer"}, e.status ? message("HTTP " + e.status, e.response_headers, e.response_body) : e.error || "no answer"),
          e.curl ? copyable(e.curl) : null));
    },
    measurement(e) {
      const details = Object.keys(e.detail).length ? make("pre", {}, JSON.stringify(e.detail, null, 2)) : null;
      return make("details", {class: "evidence"},
        make("summary", {}, e.name + " ", make("b", {}, e.value + " " + e.unit), make("span", {class: "fine"}, "  " + e.samples + (e.samples === 1 ? " sample" : " samples") + (e.bound ? ", bound " + e.bound : ""))),
        make("div", {}, details || make("p", {class: "fine"}, "Nothing more was recorded.")));
    },
    observation(e) {
      return make("details", {class: "evidence"}, make("summary", {}, e.subject), make("div", {}, make("pre", {}, JSON.stringify(e.data, null, 2))));
    },
    chart: exhibit, table: exhibit, diagram: exhibit,
  };

  function exhibit(e) {
    return make("p", {class: "evidence"}, make("a", {href: "#page-" + e.page}, e.title));
  }

  function finding(f) {
    const t = f.timing;
    const own = Math.max(0, t.wall_s - t.deployment_s - t.demanded_s - t.target_s);
    const times = [["deployment", t.deployment_s], ["demanded wait", t.demanded_s], ["target", t.target_s], ["harness", own]].filter(([, s]) => s >= 0.0005).map(([name, s]) => name + " " + seconds(s)).join(", ");
    const left = f.evidence_total - f.evidence.length;
    return make("details", {class: "finding", open: f.verdict !== "pass"},
      make("summary", {}, chip(f.verdict), make("span", {class: "claim"}, f.claim || f.check), make("span", {class: "fine"}, seconds(t.wall_s))),
      make("div", {},
        f.message ? make("pre", {class: "message " + f.verdict}, f.message) : null,
        f.evidence.map((e) => show[e.kind](e)),
        left > 0 ? make("p", {class: "fine"}, left + " more taken; the telling ones are kept.") : null,
        f.again ? make("div", {}, make("h4", {}, "See it again"), copyable(f.again)) : null,
        make("p", {class: "fine"}, make("code", {}, f.check), f.source ? ", " + f.source : "", make("br"), times, f.fingerprint ? ", fingerprint " + f.fingerprint.slice(0, 16) : "")));
  }

  function proofs(list) {
    if (!list.length) return [make("p", {class: "fine"}, "No defect has been tried against this control: nothing shows that its checks can fail.")];
    return [make("ul", {class: "defects"}, list.map((p) => make("li", {},
      make("p", {}, make("span", {}, p.defect), chip(p.outcome === "caught" ? "pass" : p.outcome === "missed" ? "fail" : "error", p.outcome)),
      make("p", {class: "fine"}, p.clean ? "clean twin passed" : "clean twin did not pass", ", in " + p.profile + " on " + p.runtime + ", " + p.at.slice(0, 10)),
      p.message ? make("details", {class: "fine"}, make("summary", {}, p.outcome === "caught" ? "What its check said" : "What happened"), make("pre", {}, p.message)) : null)))];
  }

  function lacking(results) {
    const missing = [...new Set(results.flatMap((r) => r.unchecked ? [] : r.unproven))];
    return missing.length ? [make("h4", {}, "What the proof lacks"), make("ul", {class: "defects"}, missing.map((what) => make("li", {}, what)))] : [];
  }

  function listing(found, left) {
    const ordered = [...found].sort((a, b) => badness.indexOf(a.verdict) - badness.indexOf(b.verdict));
    return make("div", {}, ordered.map(finding), left ? make("p", {class: "fine"}, left + " more findings; report.json has them all.") : null);
  }

  function kindOf(result) {
    if (result.unchecked && result.verdict === "not-verified") return "unchecked";
    return result.verdict === "pass" && result.unproven.length ? "unproven" : result.verdict;
  }

  function panel(detail, profile) {
    const {control, results} = detail;
    const body = make("div", {role: "tabpanel", id: "panel-" + control.id});
    const choose = (name) => {
      const result = results.find((r) => r.profile === name);
      tabs.forEach((tab) => { const on = tab.dataset.profile === name; tab.setAttribute("aria-selected", on); tab.tabIndex = on ? 0 : -1; });
      const found = detail.findings.filter((f) => f.profile === name);
      const waivers = result.waivers.map((w) => make("p", {class: "verdict-reason"}, chip("waived"), " " + w.reason + " (" + w.owner + ", until " + w.expires + ")"));
      body.replaceChildren(...[result.reason && !found.some((f) => f.message && result.reason.startsWith(f.message)) ? make("p", {class: "verdict-reason"}, result.reason) : null, ...waivers,
        found.length ? listing(found, detail.left[name]) : make("p", {class: "fine"}, "No check ran here.")].filter(Boolean));
    };
    const tabs = results.map((r) => make("button", {type: "button", role: "tab", "data-profile": r.profile, "aria-controls": "panel-" + control.id, onclick: () => choose(r.profile)}, r.profile, chip(kindOf(r))));
    const bar = make("div", {class: "tabs", role: "tablist", "aria-label": "Profile"}, tabs);
    bar.addEventListener("keydown", (event) => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
      if (!step) return;
      const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
      next.focus();
      next.click();
    });
    const worst = results.find((r) => r.profile === profile) || [...results].sort((a, b) => badness.indexOf(kindOf(a)) - badness.indexOf(kindOf(b)))[0];
    if (worst) choose(worst.profile);
    return make("div", {class: "panel"}, make("div", {}, bar, body), make("aside", {},
      make("h4", {}, "Requirement"), prose(control.requirement),
      make("h4", {}, "To put it right"), prose(control.remedy),
      control.references.length ? [make("h4", {}, "References"), make("p", {class: "fine"}, control.references.join(", "))] : [],
      make("h4", {}, "Proof"), proofs(detail.proofs), lacking(results)));
  }

  // ---- rows ----------------------------------------------------------------------------------------------------
  const rows = all("#table .row");
  async function toggle(row, open, profile) {
    const button = find("button", row);
    const next = row.nextElementSibling;
    if (next && next.classList.contains("detail")) next.remove();
    button.setAttribute("aria-expanded", open);
    if (!open) return;
    const cell = make("td", {colspan: row.children.length});
    row.after(make("tr", {class: "detail"}, cell));
    try { cell.replaceChildren(panel((await unpack(row.parentNode.dataset.group))[row.id], profile)); }
    catch (cause) { cell.replaceChildren(make("p", {class: "panel"}, "The details cannot be unpacked in this browser (" + cause.message + "). report.json holds them as plain data.")); }
  }
  const isOpen = (row) => find("button", row).getAttribute("aria-expanded") === "true";
  find("#table").addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row) return;
    const cell = event.target.closest(".cell");
    if (cell) toggle(row, true, cell.dataset.profile);
    else if (event.target.closest("th")) toggle(row, !isOpen(row));
  });

  // ---- areas and filters ---------------------------------------------------------------------------------------
  const field = (name) => find("#f-" + name);
  const heads = all("tbody.area");
  const groups = all("tbody.group");
  const name = (part) => part.dataset.group || part.dataset.area;
  const folded = new Set([...heads, ...groups].filter((part) => part.hasAttribute("data-idle")).map(name));
  const filtering = () => ["text", "verdict", "profile", "severity", "area"].some((key) => field(key).value) || field("required").checked;

  function match(row) {
    const text = field("text").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const [verdict, profile, severity, area] = ["verdict", "profile", "severity", "area"].map((key) => field(key).value);
    let hit = false;
    for (const cell of all(".cell", row)) {
      const fits = (!verdict || cell.dataset.kind === verdict) && (!profile || cell.dataset.profile === profile) && (!field("required").checked || cell.classList.contains("need"));
      cell.classList.toggle("faded", !fits);
      hit ||= fits;
    }
    return hit && (!severity || row.dataset.severity === severity) && (!area || row.parentNode.dataset.area === area) && text.every((word) => row.dataset.text.includes(word));
  }

  function apply() {
    const active = filtering();
    const matching = new Set(rows.filter(match));
    const expanded = (part) => active || !folded.has(name(part));
    for (const row of rows) {
      const visible = matching.has(row) && expanded(row.parentNode) && (active || !folded.has(row.parentNode.dataset.area));
      if (!visible && isOpen(row)) toggle(row, false);
      row.hidden = !visible;
    }
    for (const part of [...heads, ...groups]) {
      const own = rows.some((row) => matching.has(row) && (row.parentNode === part || row.parentNode.dataset.area === name(part)));
      part.hidden = !own || (part.dataset.group !== undefined && !active && folded.has(part.dataset.area));
      find("button", part).setAttribute("aria-expanded", expanded(part));
    }
    find("#shown").textContent = active ? matching.size + " of " + rows.length + " controls shown" : rows.length + " controls. Select one for its evidence; press / to search.";
  }

  for (const part of [...heads, ...groups]) find("button", part).addEventListener("click", () => {
    if (!folded.delete(name(part))) folded.add(name(part));
    apply();
  });
  const form = find("#filters");
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  all("[data-show]").forEach((button) => button.addEventListener("click", () => {
    form.reset();
    field("verdict").value = button.dataset.show;
    field("profile").value = button.dataset.in;
    apply();
    find("#controls").scrollIntoView();
  }));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
    event.preventDefault();
    field("text").focus();
  });

  function follow() {
    const row = rows.find((candidate) => candidate.id === decodeURIComponent(location.hash.slice(1)));
    if (!row) return;
    folded.delete(row.parentNode.dataset.area);
    folded.delete(row.parentNode.dataset.group);
    if (row.hidden && filtering()) form.reset();
    apply();
    toggle(row, true).then(() => row.scrollIntoView());
  }
  addEventListener("hashchange", follow);

  document.documentElement.classList.add("js");
  form.hidden = false;
  apply();
  follow();
})();
