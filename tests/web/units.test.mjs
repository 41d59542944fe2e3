// What the page's modules say where no browser is needed: node --test tests/web/units.test.mjs
import assert from "node:assert/strict";
import { test } from "node:test";

import { changeBody } from "../../web/js/change-body.js";
import { safeLink } from "../../web/js/dom.js";
import { parseDotenv } from "../../web/js/dotenv.js";
import { ago, bytes, costNow, money, rate, shortImage, span } from "../../web/js/format.js";
import { LogStore, MAX_LINES, cuts, plain } from "../../web/js/log-store.js";
import { commandText, filled, limitsOf, orderBody, resources, words } from "../../web/js/order-body.js";
import { match } from "../../web/js/router.js";
import { peak, peakOfBytes } from "../../web/js/scale.js";
import { makeSecret } from "../../web/js/secret.js";
import { EventParser } from "../../web/js/sse.js";

const line = (message, stream = "stdout") => ({ timestamp: "2026-01-01T00:00:00Z", stream, message });

test("money, sizes and times are said in few words", () => {
  assert.equal(money(123456), "1,234.56");
  assert.equal(rate(0), "Free");
  assert.equal(bytes(0), "0 B");
  assert.equal(bytes(1536), "1.5 KiB");
  assert.equal(bytes(1023.9 * 1024), "1.0 MiB");
  assert.equal(span(59.9), "59 s");
  assert.equal(span(3600), "1 h");
  assert.equal(span(90_061), "1 d 1 h");
  assert.equal(ago("2026-01-01T00:00:00Z", Date.parse("2026-01-03T12:00:00Z")), "2 days ago");
  assert.equal(shortImage("docker.io/library/nginx:1"), "nginx:1");
  assert.equal(shortImage("ghcr.io/library/nginx:1"), "ghcr.io/library/nginx:1");
});

test("only time in running costs, and a clock set back costs nothing", () => {
  const d = { totalCost: 5, hourlyRateCents: 3600, status: "running" };
  assert.equal(costNow(d, 0, 2_900), 7);
  assert.equal(costNow({ ...d, status: "stopped" }, 0, 2_900), 5);
  assert.equal(costNow(d, 2_900, 0), 5);
});

test("the text of an env file is read as shells and compose read it", () => {
  const text = [
    "# a comment",
    "PLAIN=value # and why",
    'export QUOTED="two words\\nand a line"',
    "SINGLE='$as it is # all of it'",
    'OPEN="over',
    'two lines"',
    "EMPTY=",
    "HASH=a#b",
    "1NVALID=x",
  ].join("\r\n");
  const { variables, rejected } = parseDotenv(text);
  assert.deepEqual(Object.fromEntries(variables), {
    PLAIN: "value",
    QUOTED: "two words\nand a line",
    SINGLE: "$as it is # all of it",
    OPEN: "over\ntwo lines",
    EMPTY: "",
    HASH: "a#b",
  });
  assert.deepEqual(rejected, ["1NVALID=x"]);
});

test("a command in words and back", () => {
  assert.deepEqual(words("sh -c 'echo \"hi\"; exit 3'"), ["sh", "-c", 'echo "hi"; exit 3']);
  assert.deepEqual(words('a "b c" d\\ e'), ["a", "b c", "d e"]);
  assert.equal(words("   "), null);
  for (const command of [
    ["sh", "-c", 'echo "a b" \\ $x'],
    ["x", "it's"],
    ["", "a"],
  ]) {
    assert.deepEqual(words(commandText(command)), command);
  }
});

test("an order holds only what differs from its template", () => {
  const template = {
    ports: [{ port: 80, protocol: "http", name: null }],
    volumes: [{ name: "data", path: "/data" }],
    resources: { cpus: null, memoryMb: 64, shmMb: null, gpus: 0 },
  };
  const form = {
    nodeId: "node_1", templateId: "t", image: "", name: "", template,
    settings: [
      { name: "A", value: "usual", secret: false, default: "usual" },
      { name: "B", value: "mine", secret: false, default: "usual" },
      { name: "S", value: "hush", secret: true, default: null },
    ],
    variables: [{ name: "C", value: " kept ", secret: "" }],
    ports: [{ port: "80", protocol: "http" }], volumes: [{ name: "data", path: "/data" }],
    limits: { cpus: "", memoryMb: "64", shmMb: "", gpus: "" },
    command: "", access: "private", hostname: "", restartPolicy: "on-failure", health: { path: "", port: "" },
    idleTimeout: "", evictable: false,
  }; // prettier-ignore
  assert.deepEqual(orderBody(form), {
    nodeId: "node_1",
    templateId: "t",
    env: { B: "mine", C: " kept " },
    secrets: { S: "hush" },
    access: "private",
    restartPolicy: "on-failure",
  });
  const limits = { cpus: "half", memoryMb: "128", shmMb: "", gpus: "" };
  assert.deepEqual(orderBody({ ...form, limits }).resources, { cpus: "half", memoryMb: 128 });
  assert.equal(orderBody({ ...form, evictable: true }).evictable, true);
  assert.equal(orderBody({ ...form, idleTimeout: "7.5" }).idleTimeoutMinutes, 7.5);
  const drowsy = { ...template, idleTimeoutMinutes: 30 };
  assert.equal("idleTimeoutMinutes" in orderBody({ ...form, template: drowsy, idleTimeout: "30" }), false);
  assert.equal(orderBody({ ...form, template: drowsy }).idleTimeoutMinutes, null);
});

test("GPUs are a number or names, and come back as they went", () => {
  const limits = (gpus, more = {}) => ({ cpus: "", memoryMb: "", shmMb: "", gpus, ...more });
  assert.deepEqual(resources(limits("2")), { gpus: 2 });
  assert.deepEqual(resources(limits("0, GPU-1f")), { gpus: ["0", "GPU-1f"] });
  const shared = { vramMb: "4096", minVramMb: "", sharing: "shared" };
  assert.deepEqual(resources(limits("", shared)), {});
  assert.deepEqual(resources(limits("0", shared)), { gpus: 0 });
  assert.deepEqual(resources(limits("1", shared)), { gpus: 1, vramMb: 4096, exclusive: false });
  for (const gpus of [0, 3, ["1"], ["0", "2"], ["GPU-1f"]]) {
    const r = { cpus: 1.5, memoryMb: 64, shmMb: null, gpus, minVramMb: null, vramMb: null, exclusive: true };
    assert.deepEqual(resources(limitsOf(r)).gpus ?? 0, gpus);
  }
});

test("a limit left blank is the template's, and one that is said is not", () => {
  const usual = { cpus: "", memoryMb: "", shmMb: "8192", gpus: "1", sharing: "alone" };
  const blank = { cpus: "", memoryMb: "16000", shmMb: "", gpus: "", sharing: "shared" };
  assert.deepEqual(filled(blank, usual), { ...usual, memoryMb: "16000", sharing: "shared" });
  assert.equal(filled({ ...blank, gpus: "0" }, usual).gpus, "0");
});

test("a change holds only what is different, and secrets one by one", () => {
  const d = {
    name: "n", image: "i", env: { A: "1", B: "2" }, secretNames: ["OLD", "KEPT"], command: null, access: "public",
    resources: {
      cpus: null, memoryMb: 64, shmMb: null, gpus: ["0"], minVramMb: null, vramMb: 512, exclusive: false,
    },
    ports: [{ port: 80, protocol: "http", name: "page" }], hostname: null, restartPolicy: "never",
    volumes: [{ name: "data", path: "/data" }], idleTimeoutMinutes: 5, evictable: true, health: "healthy", healthCheck: { path: "/up", port: null },
  }; // prettier-ignore
  const variables = [
    { name: "B", value: "2", secret: "" },
    { name: "A", value: "1", secret: "" },
    { name: "KEPT", value: "", secret: "yes" },
    { name: "OLD", value: "", secret: "yes" },
  ];
  const form = {
    name: "n", image: "i", variables, limits: limitsOf(d.resources), ports: [{ port: "80", protocol: "http" }], volumes: d.volumes,
    command: "", access: "public", hostname: "", restartPolicy: "never", idleTimeout: "5", evictable: true, health: { path: "/up", port: "" },
  }; // prettier-ignore
  assert.deepEqual(changeBody(d, form), {});
  assert.deepEqual(changeBody(d, { ...form, idleTimeout: "" }), { idleTimeoutMinutes: null });
  assert.deepEqual(changeBody(d, { ...form, evictable: false }), { evictable: false });
  const others = [
    { name: "A", value: "1", secret: "" },
    { name: "NEW", value: "x", secret: "yes" },
    variables[2],
  ];
  assert.deepEqual(changeBody(d, { ...form, image: "j", variables: others }), {
    image: "j",
    env: { A: "1" },
    secrets: { NEW: "x", OLD: null },
  });
  const ports = [...form.ports, { port: "81", protocol: "tcp" }];
  assert.deepEqual(changeBody(d, { ...form, ports, health: { path: "", port: "" } }), {
    ports: [...d.ports, { port: 81, protocol: "tcp", name: null }],
    health: null,
  });
  assert.deepEqual(changeBody({ ...d, ports: null }, { ...form, ports: [] }), {});
  const volumes = [...form.volumes, { name: "cache", path: "/cache" }];
  assert.deepEqual(changeBody(d, { ...form, volumes }), { volumes });
});

test("events are read however the stream is cut", () => {
  const stream =
    ": hello\n\nid: 1\ndata: a\n\nevent: gap\r\ndata: b\r\ndata: c\r\n\r\ndata: d\n\ndata: never ended\n";
  const whole = new EventParser().push(stream);
  assert.deepEqual(whole, [
    { id: "1", event: "message", data: "a" },
    { id: "1", event: "gap", data: "b\nc" },
    { id: "1", event: "message", data: "d" },
  ]);
  for (let size = 1; size < 12; size += 1) {
    const parser = new EventParser();
    const found = [];
    for (let i = 0; i < stream.length; i += size) found.push(...parser.push(stream.slice(i, i + size)));
    assert.deepEqual(found, whole, `in pieces of ${size}`);
  }
});

test("a log holds so many lines and forgets the oldest, filtered or not", () => {
  for (const filter of [
    { text: "", stream: "" },
    { text: "LINE", stream: "stdout" },
  ]) {
    const store = new LogStore();
    store.filter(filter);
    store.push(Array.from({ length: MAX_LINES }, (_, i) => line(`line ${i}`)));
    assert.equal(store.shown.length, MAX_LINES);
    const gone = store.push([line("the last line")]);
    assert.equal(gone, MAX_LINES / 10 + 1);
    assert.equal(store.shown.length, MAX_LINES - MAX_LINES / 10);
    assert.equal(store.shown.at(-1).message, "the last line");
    assert.equal(store.dropped, gone);
  }
});

test("a filter finds in any case, by stream, and in what comes later", () => {
  const store = new LogStore();
  store.push([line("One"), line("two", "stderr")]);
  store.filter({ text: "O", stream: "stderr" });
  store.push([line("four", "stderr"), line("four")]);
  assert.deepEqual(store.shown.map((l) => l.message), ["two", "four"]); // prettier-ignore
  store.filter({ text: "", stream: "" });
  assert.equal(store.shown.length, 4);
});

test("a found text is cut out as it stands; escape sequences are not shown", () => {
  assert.deepEqual(cuts("An apple", "AP"), ["An ", "ap", "ple"]);
  assert.deepEqual(cuts("İstanbul", "stan"), ["İstanbul"]);
  assert.equal(cuts("<b>x</b>", "b").join(""), "<b>x</b>");
  assert.equal(plain("\u001b[1;31mred\u001b[0m \u001b]0;title\u0007text"), "red text");
});

test("a place has its parameters, and nothing else is that place", () => {
  assert.deepEqual(match("/ui/deployments/:id/:tab", "/ui/deployments/dep_1/logs"), {
    id: "dep_1",
    tab: "logs",
  });
  assert.deepEqual(match("/ui", "/ui/"), {});
  assert.equal(match("/ui/new", "/ui/new/x"), null);
  assert.deepEqual(match("/ui/new/:source", "/ui/new/%E0%A4%A"), { source: "%E0%A4%A" });
});

test("a link leads somewhere and runs nothing", () => {
  for (const good of ["https://a.example/", "http://127.0.0.1:1/", "/ui/", "#x"])
    assert.equal(safeLink(good), good);
  for (const bad of [
    "javascript:alert(1)",
    " JaVaScRiPt:x",
    "data:text/html,x",
    "//evil.example",
    "vbscript:x",
  ]) {
    assert.equal(safeLink(bad), "#");
  }
});

test("scales end on round numbers", () => {
  assert.deepEqual([0, 0.07, 3, 99, 101].map((n) => peak([n])), [1, 0.1, 5, 100, 200]); // prettier-ignore
  assert.deepEqual([0, 1500, 64 * 2 ** 20].map((n) => peakOfBytes([n])), [1024, 2048, 64 * 2 ** 20]); // prettier-ignore
});

test("a made secret is long, plain and never the same", () => {
  const made = new Set(Array.from({ length: 200 }, makeSecret));
  assert.equal(made.size, 200);
  for (const secret of made) assert.match(secret, /^[A-HJ-NP-Za-km-z2-9]{32}$/);
});
