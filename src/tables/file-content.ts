/**
 * Values that name files (`postmap -F`, tls_server_sni_maps): lists of file
 * names become their content, one after the other, a newline between; stores keep it in base64.
 *
 * Source: postmap(1), -F; postconf(5), tls_server_sni_maps.
 */
import { readTableFile } from './file-table.ts'
import { splitAtChars } from '#util/split.ts'

/**
 * The content of the files in `names`, a list with commas or white space, with a newline between two.
 *
 * @throws {TableOpenError} One of them cannot be read.
 */
export function readFileContent(names: string): string {
  return splitAtChars(names).map((path) => readTableFile(path).toString('latin1')).join('\n')
}

/** The stored form of `readFileContent(names)`. */
export function encodeFileContent(names: string): string {
  return Buffer.from(readFileContent(names), 'latin1').toString('base64')
}

/** The content from its stored form, or `undefined` when that is not base64. */
export function decodeFileContent(base64: string): string | undefined {
  const bytes = Buffer.from(base64, 'base64')
  return bytes.toString('base64').replace(/=+$/, '') === base64.replace(/=+$/, '') ? bytes.toString('latin1') : undefined
}
