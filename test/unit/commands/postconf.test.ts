/** postconf on directories made for the test; test/interop/postconf compares it with the real one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { main } from '#commands/postconf/main.ts'
import { createConfigSite, runPostconf } from '#test/support/postconf.ts'

test('postconf -n shows what main.cf sets, sorted, with white space as single blanks', async () => {
  using site = createConfigSite({ 'main.cf': 'relayhost = a\n  b\nmyorigin=$mydomain\n', 'master.cf': '' })
  const { out, err } = await runPostconf(site.directory, '-n')
  assert.equal(out, `config_directory = ${site.directory}\nmyorigin = $mydomain\nrelayhost = a b\n`)
  assert.deepEqual(err, [])
})

test('postconf -C extension lists our own parameters, which postconf -d leaves out', async () => {
  using site = createConfigSite({ 'main.cf': 'maillog_format = json\n', 'master.cf': 'x unix - - n - - smtp\n' })
  const extensions = await runPostconf(site.directory, '-C', 'extension')
  assert.match(extensions.out, /^maillog_format = json$/m)
  assert.match(extensions.out, /^x_worker_processes = \$worker_processes$/m)
  assert.doesNotMatch((await runPostconf(site.directory, '-d')).out, /maillog_format|worker_processes/)
  assert.match((await runPostconf(site.directory, '-n')).out, /^maillog_format = json$/m)
})

test('postconf -e keeps the mode of the file and the bytes it does not edit', async () => {
  using site = createConfigSite({ 'main.cf': '# caf\u00e9\nfoo = 1\n', 'master.cf': '' })
  assert.equal((await runPostconf(site.directory, 'bar=\u00e9', 'foo=2')).status, 0)
  const text = Buffer.from(site.files()['main.cf'] ?? '', 'latin1').toString()
  assert.equal(text, '# caf\u00e9\nfoo = 2\nbar = \u00e9\n')
  assert.deepEqual(Object.keys(site.files()), ['main.cf', 'master.cf'])
})

test('postconf -M keeps the braces of an operand with blanks', async () => {
  using site = createConfigSite({ 'main.cf': '', 'master.cf': 'x unix - - n - - spawn {a b} -o c\n' })
  const { out } = await runPostconf(site.directory, '-M')
  assert.equal(out, 'x          unix  -       -       n       -       -       spawn {a b} -o c\n')
})

test('postconf -t shows the built-in templates, -b their expanded texts', async () => {
  using site = createConfigSite({ 'main.cf': 'myhostname = mx.example\n', 'master.cf': '' })
  const shown = await runPostconf(site.directory, '-t')
  assert.equal(shown.out.match(/^\w+_template = <<EOF$/gm)?.length, 4)
  assert.match((await runPostconf(site.directory, '-b')).out, /^expanded_failure_text = <<EOF\nThis is the mail system at host mx\.example\.$/m)
})

test('postconf -m lists the table types, one a line and sorted', async () => {
  using site = createConfigSite({ 'main.cf': '', 'master.cf': '' })
  const { status, out, err } = await runPostconf(site.directory, '-m')
  const types = out.trimEnd().split('\n')
  assert.deepEqual([status, err], [0, []])
  assert.deepEqual(types, types.toSorted())
  for (const type of ['btree', 'cidr', 'environ', 'fail', 'hash', 'inline', 'lmdb', 'pcre', 'pipemap', 'proxy', 'randmap', 'regexp', 'static', 'tcp', 'texthash', 'unionmap', 'unix']) {
    assert.ok(types.includes(type), type)
  }
})

test('postconf -C help says what a parameter does, also one that a service brings', async () => {
  using site = createConfigSite({ 'main.cf': 'own = x\n', 'master.cf': 'relay unix - - n - - smtp\n' })
  const { out, err } = await runPostconf(site.directory, '-C', 'help', 'relayhost', 'relay_destination_rate_delay', 'fallback_relay', 'own')
  assert.equal(out, 'relayhost: Host to which all outgoing mail goes.\nrelay_destination_rate_delay: Pause between two deliveries to one destination.\n'
    + 'fallback_relay: An old name; instead, specify "smtp_fallback_relay".\n')
  assert.deepEqual(err, ['postconf: warning: own: unknown parameter'])
  assert.ok((await runPostconf(site.directory, '-C', 'help')).out.split('\n').length > 880)
})

test('postconf -v says which file is read, beside the result', async () => {
  using site = createConfigSite({ 'main.cf': 'myhostname = a.example\n', 'master.cf': '' })
  const notes: string[] = []
  const quiet = { out: () => undefined, warn: () => undefined, note: (text: string) => void notes.push(text) }
  for (const args of [['-v', '-n', 'myhostname'], ['-v', '-M'], ['-n', 'myhostname']]) await main(['-c', site.directory, ...args], quiet)
  assert.deepEqual(notes, [`read ${site.directory}/main.cf`, `read ${site.directory}/master.cf`])
})
