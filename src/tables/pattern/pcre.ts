/**
 * pcre: rules with Perl-compatible expressions.
 *
 * Source: pcre_table(5).
 */
import type { OpenRequest, Table } from '#tables/table.ts'
import { nativePcre } from './pcre-native.ts'
import { compileTranslated } from './pcre-translate.ts'
import { openPatternTable } from './rules.ts'

/**
 * Opens `pcre:path` or `pcre:{ {rule}, {rule} }`. Without libpcre2 the
 * expressions run as JavaScript's where that means the same; others are reported.
 *
 * @throws {TableOpenError} Unreadable or malformed.
 */
export function openPcre(request: OpenRequest): Table {
  return openPatternTable(request, {
    type: 'pcre',
    options: 'imsxAEUX',
    defaults: 'is',
    second: false,
    skipping: 'ignoring',
    compile: nativePcre(request.options.config.bool('smtputf8_enable')) ?? compileTranslated,
  })
}
