/**
 * Reads a password: from a terminal without showing it, else the first line of standard input.
 *
 * @module
 */
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'

/** @param prompts Asked on a terminal; the answers have to be equal. @throws {Error} When they are not. */
export async function readPassword(prompts: readonly string[]): Promise<string> {
  if (!process.stdin.isTTY) return firstLine()
  const answers: string[] = []
  for (const prompt of prompts) answers.push(await ask(prompt))
  const [password = ''] = answers
  if (answers.some((answer) => answer !== password)) {
    throw new Error('Cannot set the password as the two are not the same')
  }
  return password
}

async function firstLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin })
  for await (const line of lines) {
    lines.close()
    return line
  }
  return ''
}

/** Nothing of what is typed is echoed. */
async function ask(prompt: string): Promise<string> {
  process.stderr.write(prompt)
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    return await terminal.question('')
  } finally {
    terminal.close()
    process.stderr.write('\n')
  }
}
