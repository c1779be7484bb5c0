/** Templates of notices: see src/service/notice-templates.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { builtInTemplates, expandTemplate, parseTemplates } from '#service/notice-templates.ts'

const BUILT_IN = builtInTemplates(true)

function parse(text: string) {
  const warnings: string[] = []
  return { templates: parseTemplates(text, 'f', BUILT_IN, (problem) => warnings.push(problem)), warnings }
}

test('builtInTemplates() greet and sign in the words that bounce readers look for', () => {
  for (const { text } of Object.values(BUILT_IN)) {
    assert.equal(text[0], 'This is the mail system at host $myhostname.')
    assert.deepEqual(text.slice(-2), ['', '                   The mail system'])
  }
  assert.equal(builtInTemplates(false).failure.from, 'MAILER-DAEMON (Mail Delivery System)')
})

test('parseTemplates() replaces the templates that a file has, and keeps the others', () => {
  const { templates, warnings } = parse([
    '# comment', '', 'failure_template = <<EOF', 'Charset: utf-8', 'Subject: Kaputt', '', 'Grüße von $myhostname', 'EOF', '',
  ].join('\n'))
  assert.deepEqual(warnings, [])
  assert.equal(templates.failure.subject, 'Kaputt')
  assert.deepEqual(templates.failure.text, ['Grüße von $myhostname'])
  assert.equal(templates.failure.from, BUILT_IN.failure.from)
  assert.equal(templates.delay, BUILT_IN.delay)
})

test('parseTemplates() takes a text on one line, and one without headers', () => {
  const { templates } = parse('success_template = all went well\nverify_template = <<X\n\nwords\nX\n')
  assert.deepEqual(templates.success, { ...BUILT_IN.success, text: ['all went well'] })
  assert.deepEqual(templates.verify, { ...BUILT_IN.verify, text: ['words'] })
})

test('parseTemplates() keeps the built-in template, with a warning, for what it cannot use', () => {
  const cases = [
    ['foo_template = <<EOF\nSubject: x\n\ntext\nEOF\n', 'f, line 6: unknown template name: foo_template -- ignoring this template'],
    ['delay_template = <<EOF\nColour: red\n\ntext\nEOF\n', 'f: unknown "Colour" header label in delay template -- ignoring this template'],
    ['delay_template = <<EOF\nSubject:\n\ntext\nEOF\n', 'f: empty "Subject" header value in delay template -- ignoring this template'],
    ['delay_template = <<EOF\nSubject: x\n\nGrüße\nEOF\n', 'f: 8-bit message text in delay template'],
  ] as const
  for (const [text, expected] of cases) {
    const { templates, warnings } = parse(text)
    assert.equal(warnings[0], expected)
    assert.equal(templates.delay, BUILT_IN.delay)
  }
})

test('parseTemplates() warns of a missing end marker and takes the text as it is', () => {
  const { templates, warnings } = parse('delay_template = <<EOF\nSubject: x\n\ntext\n')
  assert.deepEqual(warnings, ['f, line 5: missing "EOF" end marker'])
  assert.deepEqual(templates.delay.text, ['text'])
})

test('parseTemplates() refuses a line outside a template', () => {
  assert.throws(() => parse('hello\n'), { message: `f, line 2: missing '=' after attribute name: "hello"` })
  assert.throws(() => parse('failure_template = <<=\n'), { message: 'f, line 2: malformed end marker after <<' })
})

test('expandTemplate() puts values and rounded times in the text', () => {
  const config = configFrom({ myhostname: 'mx', delay_warning_time: '7300s', maximal_queue_lifetime: '5d' })
  const warnings: string[] = []
  const expand = (line: string) => expandTemplate('delay', [line], config, 'f', (text) => warnings.push(text))
  assert.deepEqual(expand('$myhostname costs $$5'), ['mx costs $5'])
  assert.deepEqual(expand('${myhostname}: $delay_warning_time_hours h, $maximal_queue_lifetime_days d'), ['mx: 2 h, 5 d'])
  assert.deepEqual(warnings, [])
  assert.deepEqual(expand('$delay_warning_time_days'), ['0'])
  assert.match(warnings[0] ?? '', /^f: zero result in delay template conversion/)
  assert.throws(() => expand('$nothing'), { message: 'f: undefined $name in delay template: $nothing' })
  assert.throws(() => expand('$delay_warning_time_eons'), /unrecognized suffix "eons"/)
  assert.throws(() => expand('${x'), /bad \$name syntax/)
})
