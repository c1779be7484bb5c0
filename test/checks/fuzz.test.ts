/** Every fuzz target survives its corpus and a few hundred mutations: `npm run fuzz` does more. */
import { test } from 'node:test'
import { fuzz, targetNames } from '#test/fuzz/run.ts'

const RUNS = 300
const SEED = 20261120

for (const name of targetNames()) {
  test(`fuzz target ${name} takes any bytes`, async () => {
    await fuzz(name, RUNS, SEED)
  })
}
