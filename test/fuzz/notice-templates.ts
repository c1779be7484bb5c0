/** Templates of notices: any file gives four templates, or is refused with a ConfigError; so does expanding them. */
import assert from 'node:assert/strict'
import { ConfigError } from '#config/error.ts'
import { configFrom } from '#config/load.ts'
import { builtInTemplates, expandTemplate, NOTICE_KINDS, parseTemplates } from '#service/notice-templates.ts'

const CONFIG = configFrom({ myhostname: 'mx.example', mydomain: 'example' })
const BUILT_IN = builtInTemplates(true)

/** Takes `bytes` for a bounce_template_file. */
export function target(bytes: Uint8Array): void {
  try {
    const templates = parseTemplates(new TextDecoder().decode(bytes), 'f', BUILT_IN, () => undefined)
    for (const kind of NOTICE_KINDS) {
      for (const header of ['charset', 'from', 'subject'] as const) assert.match(templates[kind][header], /^[ -~\t]+$/)
      expandTemplate(kind, templates[kind].text, CONFIG, 'f', () => undefined)
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
  }
}
