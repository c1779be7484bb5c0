/**
 * Templates of notices as postconf shows them (-t) and expands them (-b), beside the real one.
 *
 * Our built-in words are not Postfix's, but for the headers, the first line and the signature: where a template is not
 * the file's own, its text is not compared.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConfigSite, runPostconf, runRealPostconf, siteFiles } from '#test/support/postconf.ts'
import { JUDGE_DIRECTORIES, judgeAbsent } from '#test/support/real-postfix.ts'

const OWN = `# all four
failure_template = <<EOF
charset: utf-8
From: me <me@example.org>
  not a header: $myhostname
EOF
  delay_template=<<  X1
subject: Late mail
Charset: utf-8

Späte Post
X1
success_template = <<EOF

$$ $(mydomain) \${stress?a}\${stress:b} \${mydomain?{x}:{y}} \${{a} == {a} ? {t}} $maximal_queue_lifetime
EOF

verify_template = one line, $delay_warning_time_minutes min, $maximal_queue_lifetime_weeks w
`

const FILES: Readonly<Record<string, string>> = {
  own: OWN,
  unknown: 'foo_template = <<EOF\nx\nEOF\n',
  'no-end': 'failure_template = <<EOF\nSubject: a\n\nx\n',
  headers: 'failure_template = <<EOF\nFoo: bar\nEOF\ndelay_template = <<EOF\nSubject:\n\nx\nEOF\n'
    + 'success_template = <<EOF\nPostmaster-Subject: abc\nEOF\nverify_template = <<EOF\nno header\n\nx\nEOF\n',
  eight: 'failure_template = <<EOF\nSubject: a\n\nü\nEOF\ndelay_template = <<EOF\nFrom: ü\nEOF\n',
  undefined: 'failure_template = <<EOF\nx $nosuch y\nEOF\n',
  suffix: 'failure_template = x $delay_warning_time_foo\n',
  units: 'failure_template = $delay_warning_time_weeks $delay_warning_time_seconds\n',
  garbage: 'foo bar\n',
  marker: 'failure_template = << =EOF\n',
  syntax: 'failure_template = <<EOF\nx ${ b\nEOF\n',
  'bounce.de.cf': siteFiles('postfixadmin')['bounce.de.cf'] ?? '',
}

const MAIN = `delay_warning_time = 90m\ndaemon_directory = ${JUDGE_DIRECTORIES.daemon_directory}\n`

/** The blocks of the output; of those with built-in words only the first line, or the headers and the first line. */
function comparable(out: string): string[] {
  return out.split(/^EOF$/m).map((block) => {
    const greeting = block.indexOf('This is the mail system at host')
    return greeting < 0 ? block : `${block.slice(0, block.indexOf('\n', greeting))} …`
  })
}

test('postconf -t and -b show the templates of a file as the real one does', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  using site = createConfigSite({ ...FILES, 'main.cf': MAIN, 'master.cf': '' })
  const operands = [[], ['/nonexistent'], [site.directory], ['a', 'b'], ...Object.keys(FILES).map((name) => [`${site.directory}/${name}`])]
  await Promise.all(operands.flatMap((words) => ['-t', '-b'].map(async (letter) => {
    const ours = await runPostconf(site.directory, letter, ...words)
    const real = await runRealPostconf(site.directory, letter, ...words)
    const label = `postconf ${letter} ${words.join(' ')}`
    assert.deepEqual({ ...ours, out: '' }, { ...real, out: '' }, label)
    // A fatal error leaves the real one's output incomplete: it is buffered.
    if (ours.status === 0) assert.deepEqual(comparable(ours.out), comparable(real.out), label)
  })))
})

test('postconf -b reads the file that main.cf names', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  using site = createConfigSite({ own: OWN, 'main.cf': `${MAIN}bounce_template_file = /etc/postfix/own\n`, 'master.cf': '' })
  assert.deepEqual(await runPostconf(site.directory, '-b'), await runRealPostconf(site.directory, '-b'))
})
