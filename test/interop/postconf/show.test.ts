/**
 * What postconf shows, beside the real one: the same output, the same messages (in any order: the real
 * one follows a hash table), the same status.
 *
 * Known differences, left out below: process_id; mail_name is Posthorn; table types (`-m`) and the TLS library (`-T`) are those
 * of this build; `-v` shows nothing; a first operand with blanks keeps its braces in `-M` (the real one
 * drops them, and then reads two).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConfigSite, runPostconf, runRealPostconf, type PostconfRun } from '#test/support/postconf.ts'
import { judgeAbsent } from '#test/support/real-postfix.ts'
import { EMPTY_SITE, FULL_SITE } from './sites.ts'

const FULL_LINES = [
  '', '-n', '-nf', '-f', '-nx', '-C service', '-C user', '-nC builtin', '-d', '-dC service,builtin', '-nj', '-nH',
  '-nh', '-M', '-Mf', '-xMf', '-F', '-Ff', '-xfF submission/inet/command relay/unix', '-hF smtp', '-HF smtp', '-jM', '-jF',
  '-P', '-xP', '-hP', '-HP', '-jP', '-PP submission', '-fPP relay/unix/proxy_read_maps', '-q -n',
  '-h relayhost', '-H relayhost', '-x relayhost mydestination', 'nosuch relayhost relayhost mydomain',
  '-o my_var=7 -x relayhost', '-o foo=x foo', 'foo x=3', 'fallback_relay', '-n fallback_relay virtual_maps',
  '-M a/b', '-M smtp/*', '-M */inet', '-F */inet/chroot', '-F smtp//chroot', '-P */*/syslog_name',
  '-P submission/inet/foo', '-a', '-A', '-l', '-x forward_path',
] as const

const EMPTY_LINES = [
  '', '-x', '-d', '-n', '-f', '-j', '-C builtin -f', '-d fallback_relay', '-d myhostname mydomain mynetworks',
  '-o mynetworks_style=host mynetworks', '-o mynetworks_style=class mynetworks',
  '-o inet_interfaces=loopback-only mynetworks', '-o inet_protocols=ipv4 mynetworks',
  '-o inet_protocols=ipv6 mynetworks', '-o compatibility_level=2 mynetworks', '-o mydomain=foo.bar myhostname',
  '-o myhostname=foo mydomain',
] as const

/** Each of these makes the real one wait a second. */
const FATAL_LINES = [
  '-Z', '-C', '-C foo', '-nd', '-hH', '-dM', '-j -h -f', '-o foo', '-M a/b/c', '-F a/b/foo', '-e',
] as const

test('postconf shows a whole configuration as the real one does', async (t) => compareAll(t, FULL_SITE, FULL_LINES))

test('postconf shows defaults as the real one does', async (t) => compareAll(t, EMPTY_SITE, EMPTY_LINES))

test('postconf refuses what the real one refuses, in its words', async (t) => compareAll(t, EMPTY_SITE, FATAL_LINES))

test('postconf refuses files that the real one refuses', async (t) => {
  await compareAll(t, { 'main.cf': 'foo\n' }, ['-n', '-M', '-m'])
  await compareAll(t, { 'main.cf': '', 'master.cf': 'foo unix - x - - - x\n' }, ['-n'])
  await compareAll(t, { 'main.cf': ' relayhost = x\nmyorigin = y\n', 'master.cf': ' foo unix\n' }, ['-n', '-M'])
  await compareAll(t, { 'main.cf': '' }, ['-n', '-d', '-M'])
})

type Context = { skip(reason: string): void }

async function compareAll(
  t: Context, files: Readonly<Record<string, string>>, lines: readonly string[],
): Promise<void> {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  using site = createConfigSite(files)
  await Promise.all(lines.map(async (line) => {
    const args = line.split(' ').filter((word) => word !== '')
    const ours = comparable(withTheirName(await runPostconf(site.directory, ...args)))
    assert.deepEqual(ours, comparable(await runRealPostconf(site.directory, ...args)), `postconf ${line}`)
  }))
}

/** Where mail_name is shown, also inside other values, ours has our name. */
function withTheirName(run: PostconfRun): PostconfRun {
  return { ...run, out: run.out.replaceAll('Posthorn', 'Postfix') }
}

function comparable({ status, out, err }: PostconfRun): PostconfRun {
  const lines = out.split('\n').filter((line) => !/(?:^|\/|")process_id\b/.test(line))
  // The real one computes mynetworks with a blank at its end, which only JSON shows.
  return { status, out: lines.join('\n').replace(/("mynetworks": .*) "/, '$1"'), err: err.toSorted() }
}
