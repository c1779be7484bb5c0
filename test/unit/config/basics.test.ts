/** What every program checks at its start. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkBasics } from '#config/basics.ts'
import { ConfigError } from '#config/error.ts'
import { configFrom } from '#config/load.ts'

const ACCOUNTS = { mail_owner: 'nobody', setgid_group: 'daemon', default_privs: 'nobody' }

function refusal(values: Readonly<Record<string, string>>): string | undefined {
  try {
    checkBasics(configFrom({ compatibility_level: '3.11', ...ACCOUNTS, ...values }))
    return undefined
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    return error.message
  }
}

test('checkBasics() takes the defaults, and parameters that only some programs read', () => {
  assert.equal(refusal({}), undefined)
  assert.equal(refusal({ smtpd_timeout: 'foo', ipc_timeout: '5m', inet_protocols: 'IPv4, ipv6' }), undefined)
})

test('checkBasics() refuses mistakes in Postfix words', () => {
  const cases: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
    [{ message_size_limit: 'foo' }, 'bad numerical configuration: message_size_limit = foo'],
    [{ soft_bounce: 'maybe' }, 'bad boolean configuration: soft_bounce = maybe'],
    [{ ipc_timeout: '5x' }, 'parameter ipc_timeout: bad time value or unit: 5x'],
    [{ max_idle: '0' }, 'invalid max_idle: 0 (min 1)'],
    [{ in_flow_delay: '11s' }, 'invalid in_flow_delay: 11 (max 10)'],
    [{ syslog_name: '' }, 'bad string length 0 < 1: syslog_name = '],
    [{ compatibility_level: 'x' }, 'malformed compatibility level syntax: "x"'],
    [{ syslog_facility: 'nosuch' }, 'file /etc/postfix/main.cf: parameter syslog_facility: unrecognized value: nosuch'],
    [{ inet_protocols: 'ipv4 foo' }, 'unknown inet_protocols value "foo" in "ipv4 foo"'],
    [{ mynetworks_style: 'foo' }, 'unknown mynetworks mask style value "foo" in "foo"'],
    [{ import_environment: '{a' }, 'import_environment: missing \'}\' in "{a"'],
    [{ verp_delimiter_filter: '+' }, 'file /etc/postfix/main.cf: parameters default_verp_delimiters and verp_delimiter_filter: bad second VERP delimiter character'],
    [{ mail_owner: 'no-such-user' }, 'file /etc/postfix/main.cf: parameter mail_owner: unknown user name value: no-such-user'],
    [{ mail_owner: 'root' }, 'file /etc/postfix/main.cf: parameter mail_owner: user root has privileged user ID'],
    [{ default_privs: 'root' }, 'file /etc/postfix/main.cf: parameter default_privs: user root has privileged user ID'],
    [{ setgid_group: 'no-such-group' }, 'file /etc/postfix/main.cf: parameter setgid_group: unknown group name: no-such-group'],
    [{ setgid_group: 'root' }, 'file /etc/postfix/main.cf: parameter setgid_group: group root has privileged group ID'],
  ]
  for (const [values, text] of cases) assert.equal(refusal(values), text)
})
