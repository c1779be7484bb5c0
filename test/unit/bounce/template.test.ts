/** Templates of notices: see src/bounce/template.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { builtInTemplates, expandText, parseTemplates } from '#bounce/template.ts'

const BUILT_IN = builtInTemplates(true)

function parse(text: string) {
  const warnings: string[] = []
  return { templates: parseTemplates(text, BUILT_IN, (problem) => warnings.push(problem)), warnings }
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

test('parseTemplates() keeps the built-in template, with a warning, for what it cannot use', () => {
  const cases = [
    ['foo_template = <<EOF\nSubject: x\n\ntext\nEOF\n', /unknown template name: foo_template/],
    ['delay_template = <<EOF\nSubject: x\n\ntext\n', /end marker EOF not found/],
    ['delay_template = <<EOF\nColour: red\n\ntext\nEOF\n', /unknown "Colour" label/],
    ['delay_template = <<EOF\nSubject:\n\ntext\nEOF\n', /empty or non-ASCII Subject/],
    ['delay_template = <<EOF\nSubject: x\n\nGrüße\nEOF\n', /non-ASCII text without charset/],
  ] as const
  for (const [text, expected] of cases) {
    const { templates, warnings } = parse(text)
    assert.match(warnings.join(), expected)
    assert.equal(templates.delay, BUILT_IN.delay)
  }
})

test('parseTemplates() refuses a line outside a template', () => {
  assert.throws(() => parse('hello\n'), /line 1: expected/)
})

test('expandText() puts values and rounded times in the text', () => {
  const text = ['$myhostname costs $$5', '${myhostname}: $delay_warning_time_hours h, $maximal_queue_lifetime_days d']
  const expanded = expandText(text, (name) => (name === 'myhostname' ? 'mx' : undefined), (name) => (name.startsWith('delay') ? 7300 : 432_000))
  assert.deepEqual(expanded, ['mx costs $5', 'mx: 2 h, 5 d'])
  assert.throws(() => expandText(['$nothing'], () => undefined, () => 0), /unknown parameter \$nothing/)
  assert.throws(() => expandText(['$delay_warning_time_eons'], () => '', () => 0), /unrecognized suffix/)
})
