/** What postconf shows and refuses, beside the real one, on small configurations with one of everything. */
import { test } from 'node:test'
import { compareAll } from './judge.ts'
import { EMPTY_SITE, FULL_SITE } from './sites.ts'

const FULL_LINES = [
  '', '-n', '-nf', '-f', '-nx', '-C service', '-C user', '-nC builtin', '-d', '-dC service,builtin', '-nj', '-nH',
  '-nh', '-M', '-Mf', '-xMf', '-F', '-Ff', '-xfF submission/inet/command relay/unix', '-hF smtp', '-HF smtp', '-jM', '-jF',
  '-P', '-xP', '-hP', '-HP', '-jP', '-PP submission', '-fPP relay/unix/proxy_read_maps', '-q -n',
  '-h relayhost', '-H relayhost', '-x relayhost mydestination', 'nosuch relayhost relayhost mydomain',
  '-o my_var=7 -x relayhost', '-o foo=x foo', 'foo x=3', 'fallback_relay', '-n fallback_relay virtual_maps',
  '-M a/b', '-M smtp/*', '-M */inet', '-F */inet/chroot', '-F smtp//chroot', '-P */*/syslog_name',
  '-P submission/inet/foo', '-a', '-A', '-l', '-x forward_path', '-T public-key-algorithms',
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
  '-Z', '-C', '-C foo', '-nd', '-hH', '-dM', '-j -h -f', '-o foo', '-M a/b/c', '-F a/b/foo', '-e', '-T foo', '-bt', '-b x y', '-tj',
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
