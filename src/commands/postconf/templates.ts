/**
 * Showing the words of notices: as they stand (-t), or the texts expanded (-b).
 *
 * @module
 */
import { loadConfig } from '#config/load.ts'
import {
  builtInTemplates, expandTemplate, NOTICE_KINDS, readTemplates, type Templates,
} from '#service/notice-templates.ts'

/**
 * The lines of the templates of `file`, or of bounce_template_file, over the built-in ones.
 *
 * @param warn Gets texts of warnings.
 * @throws {ConfigError} A file that cannot be used.
 */
export function* showTemplates(
  letter: 'b' | 't', directory: string | undefined, given: string | undefined, warn: (text: string) => void,
): Generator<string> {
  const config = loadConfig(directory)
  const file = given ?? config.str('bounce_template_file')
  const builtIn = builtInTemplates(config.str('header_from_format') === 'standard')
  const templates = file === '' ? builtIn : readTemplates(file, builtIn, warn)
  for (const [i, kind] of NOTICE_KINDS.entries()) {
    const { text } = templates[kind]
    const isBuiltIn = templates[kind] === builtIn[kind]
    const lines = letter === 't'
      ? [`${kind}_template = <<EOF`, ...headersOf(templates, kind), '', ...text]
      : [`expanded_${kind}_text = <<EOF`, ...expandTemplate(kind, text, config, isBuiltIn ? '' : file, warn)]
    yield `${[...(i > 0 ? [''] : []), ...lines, 'EOF'].join('\n')}\n`
  }
}

/** The log name of the service that reads the templates for Postfix: it stands before messages about them. */
export function templateReader(directory: string | undefined): string {
  return `${loadConfig(directory).str('syslog_name')}/bounce`
}

function headersOf(templates: Templates, kind: keyof Templates): string[] {
  const { charset, from, subject, postmasterSubject } = templates[kind]
  const copy = kind === 'failure' || kind === 'delay' ? [`Postmaster-Subject: ${postmasterSubject}`] : []
  return [`Charset: ${charset}`, `From: ${from}`, `Subject: ${subject}`, ...copy]
}
