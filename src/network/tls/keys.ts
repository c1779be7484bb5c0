/**
 * Keys and certificate chains of a server, read from PEM files.
 *
 * @module
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { SecureContextOptions } from 'node:tls'
import { errnoText } from '#system/errno.ts'

/** Private keys and their chains, one chain per kind of key. */
export type Keys = { readonly key: string[]; readonly cert: string[] }

/** A file that cannot be used; the message is for the log. */
export class KeyFileError extends Error {
  override readonly name = 'KeyFileError'
}

const PEM_REGEXP = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]+?-----END \1-----/g

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new KeyFileError(`error opening chain file: ${path}: ${errnoText(error)}`)
  }
}

/** A certificate file and a key file; both may be the same. */
export function keyPair(certFile: string, keyFile: string): Keys {
  return { key: [readPem(keyFile === '' ? certFile : keyFile)], cert: [readPem(certFile)] }
}

/**
 * Files of keys and certificates, as smtpd_tls_chain_files has them: each key is followed by its chain,
 * in the same file or the next.
 */
export function keyChains(files: readonly string[]): Keys {
  return splitChains(files.map(readPem).join('\n'), files.join(', '))
}

/** Keys and chains in one PEM text. @param source For the message. */
export function splitChains(pem: string, source: string): Keys {
  const key: string[] = []
  const cert: string[] = []
  for (const [block, label = ''] of pem.matchAll(PEM_REGEXP)) {
    if (label.endsWith('PRIVATE KEY')) {
      key.push(block)
      cert.push('')
    } else if (label === 'CERTIFICATE') {
      if (key.length === 0) throw new KeyFileError(`error loading chain from ${source}: key not first`)
      cert[cert.length - 1] += `${block}\n`
    }
  }
  if (key.length === 0) throw new KeyFileError(`error loading chain from ${source}: no keys found`)
  if (cert.includes('')) throw new KeyFileError(`error loading chain from ${source}: key without certificate`)
  return { key, cert }
}

/** Certificates of authorities: a file, and all files of a folder. Empty when neither is named. */
export function authorities(file: string, folder: string): string[] {
  const inFolder = folder === '' ? [] : readdirSync(folder).filter((name) => /\.(?:\d+|pem|crt)$/.test(name))
  return [...(file === '' ? [] : [file]), ...inFolder.map((name) => join(folder, name))].map(readPem)
}

/** `key` and `cert` for node:tls, one entry for each key. */
export function contextKeys(all: readonly Keys[]): Pick<SecureContextOptions, 'key' | 'cert'> {
  return { key: all.flatMap(({ key }) => key), cert: all.flatMap(({ cert }) => cert) }
}
