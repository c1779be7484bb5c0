/** Configurations, and messages to give to cleanup under each. */
import { JUDGE_FLAG } from '#test/support/judge.ts'
import type { Input } from '#test/support/cleanup.ts'

/** One message; default flags: filter, bcc, map, hold. */
export type Case = Input & {
  readonly name: string
  readonly flags?: number
  /** The log is not the same on purpose. */
  readonly ownLog?: boolean
}

/** Messages under one configuration; `$DIR` in values is where `files` are. */
export type CaseGroup = {
  readonly main?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  readonly messages: readonly Case[]
}

const T = 'T 1795168578 593490'
const LOCAL = 'A rewrite_context=local'
const REMOTE = 'A rewrite_context=remote'
const R1 = 'R bob@example.net'
const RECEIVED = 'Received: by mail.example.org (Postfix, from userid 0)\n\tid 1; Fri, 20 Nov 2026 09:56:18 +0000 (UTC)\n'
const HOLD = JUDGE_FLAG.hold

/** Local mail from alice to bob. */
const mail = (name: string, content: string, more: Partial<Case> = {}): Case => ({
  name, envelope: [T, LOCAL, 'S alice', R1], content: RECEIVED + content, ...more,
})

export const CASES: Readonly<Record<string, CaseGroup>> = {
  'defaults': {
    messages: [
      mail('plain', 'Subject: hi\nTo: bob@example.net\n\nHello'),
      mail('full name', 'Subject: hi\n\nHello', { envelope: [T, LOCAL, 'F Alice A', 'S alice', R1] }),
      mail('full name with specials', 'X: y\n\nHello', { envelope: [T, LOCAL, 'F J. "Q" User \\', 'S alice', R1] }),
      mail('full name, long', 'X: y\n\nHello', { envelope: [T, LOCAL, `F ${'Long Name '.repeat(6)}`, 'S alice@example.org', R1] }),
      mail('full name, long but less', 'X: y\n\nHello', { envelope: [T, LOCAL, `F ${'x'.repeat(43)}`, 'S alice@example.org', R1] }),
      mail('full name, long but less 2', 'X: y\n\nHello', { envelope: [T, LOCAL, `F ${'x'.repeat(42)}`, 'S alice@example.org', R1] }),
      mail('full name, long but less 3', 'X: y\n\nHello', { envelope: [T, LOCAL, `F ${'x'.repeat(41)}`, 'S alice@example.org', R1] }),
      mail('full name, not ASCII', 'X: y\n\nHello', { envelope: [T, LOCAL, 'F Jörg Müller', 'S alice', R1] }),
      mail('full name, not ASCII, long', 'X: y\n\nHello', { envelope: [T, LOCAL, `F ${'Jörg Müller '.repeat(10)}`, 'S alice', R1] }),
      mail('full name, blanks', 'X: y\n\nHello', { envelope: [T, LOCAL, 'F   Lead   Name  ', 'S alice', R1] }),
      mail('full name, blanks and specials', 'X: y\n\nHello', { envelope: [T, LOCAL, 'F   Lead.   Name  ', 'S alice', R1] }),
      mail('full name, controls', 'X: y\n\nHello', { envelope: [T, LOCAL, ['F', 'a\rb\nc\td\x01e'], 'S alice', R1] }),
      mail('full name, not ASCII, blanks', 'X: y\n\nHello', { envelope: [T, LOCAL, 'F  Jörg   (x)  Müller ', 'S alice', R1] }),
      mail('full name, null sender', 'X: y\n\nHello', { envelope: [T, LOCAL, 'F Alice A', 'S ', R1] }),
      mail('mailer-daemon sender', 'X: y\n\nHello', { envelope: [T, LOCAL, 'S MAILER-daemon@EXAMPLE.org', R1] }),
      mail('quoted sender', 'X: y\n\nHello', { envelope: [T, LOCAL, 'S a b@c', 'R "x"@y', 'R a@b@c', 'R @', 'R ', 'R @route:u@d', 'R site!user', 'R u%d'] }),
      mail('address forms in headers',
        'To: alice,bob (Bob), "X Y" <x.y>, carol@example.com, dave@example.com, eve@example.com\n'
        + 'cc: a b <c>, group: x, y@z.; (comment)\n  <@a,@b:c@d>\nREPLY-TO :   someone (with) comment\n'
        + 'Bcc: secret\nReturn-Path: <x>\nSender: <@>\nFrom: "unclosed <a@b>\nErrors-To: a!b, c%d\nResent-Reply-To: x\n\nHello'),
      mail('resent', 'Resent-To: x\nTo: y\n\nHello'),
      mail('resent complete', 'Resent-To: x\nResent-Message-ID:  <a@b>\nResent-Date: x\nMessage-Id: strange id \nDate: y\nFrom: z@z\n\nHello'),
      mail('message ids', 'Message-Id: <a@b> (c)\n more\nMESSAGE-ID: <second@b>\n\nHello'),
      mail('message id without brackets', 'Message-Id: a@b\n\nHello'),
      mail('no body', 'Subject: x'),
      mail('headers end with text', 'Subject: x\nthis is no header\n\nHello'),
      mail('header with blank before colon', 'Subject : x\nX-Y\t: z\n\nHello'),
      mail('empty content', ''),
      mail('no Received', 'x', { content: 'Subject: x\n\nHello' }),
      mail('8bit header', 'Subject: fünf\nContent-Transfer-Encoding: 8BIT\nTo: fünf\n\nHellö'),
      mail('8bit latin1 header', 'x', { content: [['N', 'Received: x'], ['N', Buffer.from('Subject: f\xfcnf', 'latin1')], ['N', Buffer.from('To: f\xfcnf', 'latin1')], ['N', ''], ['N', Buffer.from('\xff\x00\xfe', 'latin1')]] }),
      mail('utf8 sender and recipients', 'Subject: x\n\nx', { envelope: [T, LOCAL, 'S jörg', 'R müller@exämple.net', R1], flags: HOLD | 512 }),
      mail('utf8 requested', 'Subject: x\n\nx', { envelope: [T, LOCAL, 'S jörg', 'R müller@exämple.net', R1], flags: HOLD | 256 }),
      mail('utf8 header auto', 'Subject: fünf\n\nx', { flags: HOLD | 512 }),
      mail('encoding attribute', 'X: y\n\nx', { envelope: [T, 'A encoding=7bit', LOCAL, 'S x', R1] }),
      mail('encoding in part', 'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Transfer-Encoding: 8bit\nSubject: part\n\nx\n--b--'),
      mail('encoding binary, blanks', 'Content-Transfer-Encoding: binary \n\nx'),
      mail('encoding binary', 'Content-Transfer-Encoding: binary\n\nx'),
      mail('stray line ends', 'Subject: a\rb\n\nc\rd\r\n.\r\r'),
      mail('stray LF', 'x', { content: [['N', 'Received: x'], ['N', 'Subject: a\nb'], ['N', ''], ['N', 'a\nb'], ['L', 'a\r'], ['N', '']] }),
      mail('long lines', `Subject: ${'x'.repeat(3000)}\nTo: ${'a@b.example, '.repeat(300)}\n\n${'y'.repeat(5000)}`),
      mail('lines of exactly the limit', 'x', { content: [['N', 'Received: x'], ['L', `Subject: ${'x'.repeat(2039)}`], ['N', ''], ['N', ''], ['L', 'y'.repeat(2048)], ['L', 'y'.repeat(2048)], ['N', ''], ['N', 'z'.repeat(2048)], ['N', 'z'.repeat(4096)]] }),
      mail('ends without line end', 'x', { content: [['N', 'Received: x'], ['N', ''], ['L', 'y']] }),
      mail('header ends without line end', 'x', { content: [['N', 'Received: x'], ['L', 'Subject: y']] }),
      mail('DSN', 'X: y\n\nx', { envelope: [T, 'A envelope_id=env 1', 'A ret_flags=2', LOCAL, 'S x@y', 'A notify_flags=6', 'A dsn_orig_rcpt=rfc822;orig@x', 'O o@x', R1, 'A notify_flags=1', 'R bcc@x', 'A notify_flags=8'] }),
      mail('DSN malformed', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x@y', 'A notify_flags=99', R1, 'A notify_flags=3', 'R c@d', 'A notify_flags=4', 'A notify_flags=2', 'A dsn_orig_rcpt=a;b', 'A dsn_orig_rcpt=c;d', 'O o', 'O p', 'R e@f'] }),
      mail('bad return flags', 'X: y\n\nx', { envelope: [T, 'A ret_flags=3', LOCAL, 'S x@y', R1] }),
      mail('bad envelope id', 'X: y\n\nx', { envelope: [T, 'A envelope_id=a\x01b', LOCAL, 'S x@y', R1] }),
      mail('delivered before', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x@y', 'A dsn_orig_rcpt=rfc822;orig@x', 'O o@x', 'D done@x', R1, 'O a', '/ gone@x'] }),
      mail('VERP', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x@y', 'V +=', R1] }),
      mail('VERP null sender', 'X: y\n\nx', { envelope: [T, LOCAL, 'S ', 'V +=', R1] }),
      mail('VERP bad', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x@y', 'V a', 'V ab', R1] }),
      mail('filter and redirect', 'X: y\n\nx', { envelope: [T, 'L smtp:a', LOCAL, 'S x@y', '> a@b', R1, '> c@d', 'L x:y', 'R z@z', 'A log_client_name=x'] }),
      mail('attributes', 'X: y\n\nx', { envelope: [T, LOCAL, 'A some= value ', 'A empty=', 'A other=x=y', 'S x@y', R1] }),
      mail('bad attribute', 'X: y\n\nx', { envelope: [T, LOCAL, 'A noequals', 'S x@y', R1] }),
      mail('bad attribute name', 'X: y\n\nx', { envelope: [T, LOCAL, 'A =x', 'S x@y', R1] }),
      mail('bad context', 'X: y\n\nx', { envelope: [T, 'A rewrite_context=other', 'S x@y', R1] }),
      mail('bad trace flags', 'X: y\n\nx', { envelope: [T, 'A trace_flags=x', LOCAL, 'S x@y', R1] }),
      mail('trace flags', 'X: y\n\nx', { envelope: [T, 'A trace_flags=1024', LOCAL, 'S x@y', R1] }),
      mail('too many attributes', 'X: y\n\nx', { envelope: [T, LOCAL, ...Array.from({ length: 110 }, (_, i) => `A a${i}=x`), 'S x@y', R1] }),
      mail('attributes at the limit', 'X: y\n\nx', { envelope: [T, LOCAL, ...Array.from({ length: 98 }, (_, i) => `A a${i}=x`), 'S x@y', R1] }),
      mail('attributes at the limit 2', 'X: y\n\nx', { envelope: [T, LOCAL, ...Array.from({ length: 99 }, (_, i) => `A a${i}=x`), 'S x@y', R1] }),
      mail('attributes at the limit 3', 'X: y\n\nx', { envelope: [T, LOCAL, ...Array.from({ length: 97 }, (_, i) => `A a${i}=x`), 'S x@y', R1] }),
      mail('two senders', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x@y', 'S z', R1] }),
      mail('no sender', 'X: y\n\nx', { envelope: [T, LOCAL, R1] }),
      mail('no time', 'X: y\n\nx', { envelope: [LOCAL, 'S x', R1] }),
      mail('two times', 'X: y\n\nx', { envelope: [T, 'T 1700000000 1', LOCAL, 'S x', R1] }),
      mail('create time', 'X: y\n\nx', { envelope: [T, 'A create_time=1700000000', LOCAL, 'S x', R1] }),
      mail('no recipient', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x'] }),
      mail('recipients in headers', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x'], extracted: [R1, 'A notify_flags=2', 'R c'] }),
      mail('recipients in both', 'X: y\n\nx', { extracted: ['R c', 'L a:b', 'R d'] }),
      mail('wrong type in envelope', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x', 'X y', R1] }),
      mail('wrong type in extracted', 'X: y\n\nx', { extracted: ['S x'] }),
      // Postfix names its function in place of the queue id.
      mail('wrong type in content', 'x', { ownLog: true, content: [['N', 'Received: x'], ['R', 'a'], ['N', '']] }),
      mail('duplicates', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x', R1, 'R BOB@example.net', R1, 'O other', R1] }),
      mail('size record', 'X: y\n\nx', { envelope: [`C ${[-1, -1, -1, -1, -1, 33].map((n) => String(n).padStart(15)).join(' ')}`, T, LOCAL, 'S x', R1] }),
      mail('warn record', 'X: y\n\nx', { envelope: [T, 'W      1795168600', 'W      1795168700', LOCAL, 'S x', R1] }),
      mail('inspector', 'X: y\n\nx', { envelope: [T, 'I smtp:x', LOCAL, 'S x', R1] }),
      mail('old records', 'X: y\n\nx', { extracted: ['r a', 'e b', 'P c'] }),
      mail('flags record', 'X: y\n\nx', { flags: 2, envelope: [T, LOCAL, 'S x', R1, 'f 4'] }),
      mail('flags record bad', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x', R1, 'f 1'] }),
      mail('flags record discard', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x', R1, 'f 8', 'R more@x'] }),
      mail('discard flag', 'X: y\n\nx', { flags: HOLD | 8 }),
      mail('hops', `${'Received: x\n'.repeat(49)}X: y\n\nx`),
      mail('hops below', `${'Received: x\n'.repeat(48)}X: y\n\nx`),
      mail('TLS-Required', 'TLS-Required: no\n\nx'),
      mail('TLS-Required malformed', 'tls-required: NO way\n\nx'),
      mail('TLS-Required case', 'tls-required:NO\n\nx'),
      mail('REQUIRETLS', 'Subject: x\n\nx', { flags: HOLD | 1024 }),
      mail('remote', 'To: a, b@c\n\nx', { envelope: [T, REMOTE, 'S x', R1] }),
      mail('no context', 'To: a, b@c\n\nx', { envelope: [T, 'S x', R1] }),
      mail('log attributes', 'X: y\n\nx', { envelope: [T, LOCAL, 'S x', 'A log_message_origin=h[1.2.3.4]', 'A log_protocol_name=ESMTP', 'A log_helo_name=he', R1] }),
      mail('header too long', `Subject: ${'x'.repeat(102_500)}\nTo: ${'abcdefghi@example.com,\n '.repeat(5000)}a\n\nx`),
      mail('comments too long', `To: a (${'c'.repeat(260)}), "${'p'.repeat(251)}" <b>\n\nx`),
    ],
  },
  'obsolete From, long ids, always add, delay warning': {
    main: {
      header_from_format: 'obsolete', enable_long_queue_ids: 'yes', always_add_missing_headers: 'yes', delay_warning_time: '4h',
      undisclosed_recipients_header: 'To: undisclosed-recipients:;', enable_original_recipient: 'no', duplicate_filter_limit: '2',
    },
    messages: [
      mail('plain', 'Subject: hi\n\nHello'),
      mail('full name', 'X: y\n\nHello', { envelope: [T, LOCAL, 'F J. (Q) User', 'S alice', R1] }),
      mail('full name with open comment', 'X: y\n\nHello', { envelope: [T, LOCAL, 'F a ) b ( c \\', 'S alice', R1] }),
      mail('full name, blanks', 'X: y\n\nHello', { envelope: [T, LOCAL, 'F  a   b  ', 'S alice', R1] }),
      mail('full name, long', 'X: y\n\nHello', { envelope: [T, LOCAL, `F ${'Long Name '.repeat(6)}`, 'S alice', R1] }),
      mail('full name, not ASCII', 'X: y\n\nHello', { envelope: [T, LOCAL, `F ${'Jörg (Müller) '.repeat(5)}`, 'S alice', R1] }),
      mail('no context', 'To: a\nCc: b\n\nx', { envelope: [T, 'A rewrite_context=remote', 'S x', R1] }),
      mail('null sender', 'Cc: b\n\nx', { envelope: [T, LOCAL, 'S ', R1] }),
      mail('warn time given', 'Cc: b\n\nx', { envelope: [T, LOCAL, 'S x', 'W       1795168600', R1] }),
      mail('recipients in headers', 'To: b\n\nx', { envelope: [T, LOCAL, 'S x'], extracted: [R1] }),
      mail('duplicates beyond limit', 'Subject: x\n\nx', { envelope: [T, LOCAL, 'S ', 'R a', 'R b', 'R c', 'R c', 'R a', 'R b'] }),
      mail('duplicates', 'To: b\n\nx', { envelope: [T, LOCAL, 'S x', R1, 'O a', R1, 'O b', 'R BOB@example.net', 'A notify_flags=2', R1] }),
    ],
  },
  'maps': {
    main: {
      sender_canonical_maps: 'inline:{{s=sender.canonical@example.com},{alice@example.org=@other.example}}',
      recipient_canonical_maps: 'inline:{{r=recipient.canonical@example.com},{multi=a@b}}',
      canonical_maps: 'inline:{{both=both@sub.masq.example},{loop1=loop2},{loop2=loop1},{two={x@y, z@w}},{gone@example.org=new+tag@example.org},{"a b"@example.org=quoted@x}}',
      masquerade_domains: '!keep.masq.example masq.example',
      masquerade_exceptions: 'root',
      virtual_alias_maps: 'inline:{{v=v1@example.net v2 v},{v2=deep@example.net},{self=self},{@all.example=@one.example},{ext=target},{cycle1=cycle2},{cycle2={cycle1, c@x}},{quoted="q q"@x}} regexp:$DIR/virtual',
      recipient_delimiter: '+',
      sender_bcc_maps: 'inline:{{copied=archive},{@bccdomain.example=bcc@x}}',
      recipient_bcc_maps: 'inline:{{copied=v},{user@plus.example=b@x}}',
      always_bcc: 'always',
      remote_header_rewrite_domain: 'remote.invalid',
    },
    files: { virtual: '/^re(.*)@x$/ $1@y\n' },
    messages: [
      mail('sender canonical', 'From: s, alice\nTo: s, r\n\nx', { envelope: [T, LOCAL, 'S s', 'R r', 'R s'] }),
      mail('canonical', 'From: both, other@h.keep.masq.example, root@h.masq.example, u@h.masq.example, u@masq.example\nTo: both, two, gone, loop1\n\nx',
        { envelope: [T, LOCAL, 'S both', 'R both', 'R two', 'R gone', 'R gone+tag', 'R u@h.masq.example'] }),
      mail('canonical of quoted address', 'From: "a b"\n\nx', { envelope: [T, LOCAL, 'S a b', 'R a b'] }),
      mail('domain result', 'From: x\n\nx', { envelope: [T, LOCAL, 'S alice+x@example.org', 'R u+v@all.example', 'R all@ALL.example'] }),
      mail('canonical loop', 'Subject: x\n\nx', { envelope: [T, LOCAL, 'S loop1', 'R loop2'] }),
      mail('virtual', 'Subject: x\n\nx', { envelope: [T, LOCAL, 'S x', 'A notify_flags=6', 'R v', 'R self', 'R ext+a', 'A notify_flags=2', 'R ext+b', 'R cycle1', 'R quoted', 'R reabc@x', 'R RE+x@x'] }),
      mail('remote context', 'From: s\nTo: r, both\n\nx', { envelope: [T, REMOTE, 'S s', 'R r'] }),
      mail('no mapping', 'From: s\nTo: r, both\n\nx', { envelope: [T, LOCAL, 'S s', 'R r', 'R v'], flags: HOLD | 2 }),
      mail('copies', 'From: x\n\nx', { envelope: [T, LOCAL, 'S copied', 'R copied', 'R user+ext@plus.example', 'R v'] }),
      mail('copies of null sender', 'From: x\n\nx', { envelope: [T, LOCAL, 'S ', 'R copied'] }),
      mail('copies without recipient', 'From: x\n\nx', { envelope: [T, LOCAL, 'S copied'] }),
      mail('copies, extracted', 'From: x\n\nx', { envelope: [T, LOCAL, 'S x@bccdomain.example'], extracted: ['R copied', 'R v'] }),
      // The answer is logged by who talks to verify.
      mail('probe', 'From: x\n\nx', { ownLog: true, envelope: [T, 'A trace_flags=256', LOCAL, 'S x', 'R v'] }),
      mail('probe of one', 'From: x\n\nx', { envelope: [T, 'A trace_flags=256', LOCAL, 'S x', 'R ext'] }),
    ],
  },
  'map trouble': {
    main: {
      virtual_alias_maps: 'inline:{{many={a@x,b@x,c@x,d@x}},{a1=a2},{a2=a3},{a3=a4},{a4=a5},{long=longlonglonglonglonglonglonglong@x}}',
      virtual_alias_expansion_limit: '3',
      virtual_alias_recursion_limit: '3',
      virtual_alias_address_length_limit: '30',
      canonical_maps: 'inline:{{x@x=x@x}} fail:canonical',
      sender_bcc_maps: 'fail:bcc',
      canonical_classes: 'envelope_sender',
    },
    messages: [
      mail('sender map', 'Subject: x\n\nx', { envelope: [T, LOCAL, 'S c', 'R b'] }),
      mail('expansion limit', 'Subject: x\n\nx', { envelope: [T, LOCAL, 'S x@x', 'R many'] }),
      mail('recursion limit', 'Subject: x\n\nx', { envelope: [T, LOCAL, 'S x@x', 'R a1'] }),
      mail('length limit', 'Subject: x\n\nx', { envelope: [T, LOCAL, 'S x@x', 'R long'] }),
      mail('sender copies', 'Subject: x\n\nx', { envelope: [T, LOCAL, 'S x@y', 'R b'], flags: HOLD | 16 }),
      mail('null sender', 'Subject: x\n\nx', { envelope: [T, LOCAL, 'S ', 'R b'] }),
    ],
  },
  'checks': {
    main: {
      header_checks: 'pcre:$DIR/header', body_checks: 'pcre:$DIR/body', mime_header_checks: 'pcre:$DIR/mime',
      nested_header_checks: 'pcre:$DIR/nested', body_checks_size_limit: '60', always_bcc: 'always',
    },
    files: {
      header: [
        '/^X-reject$/ REJECT', '/^X: reject text/ REJECT no spam', '/^X: reject dsn/ REJECT 5.7.9 not this', '/^X: reject later/ REJECT 4.7.9 not now',
        '/^X: reject bad/ REJECT 2.7.9 what', '/^X: reject/ REJECT', '/^X: discard/ DISCARD silently', '/^X: hold/ HOLD for a while', '/^X: filter none/ FILTER',
        '/^X: filter bad/ FILTER smtp', '/^X: filter/ FILTER smtp:host:25', '/^X: redirect bad/ REDIRECT x', '/^X: redirect/ REDIRECT a@b', '/^X: bcc bad/ BCC x',
        '/^X: bcc/ BCC a@b', '/^X: prepend none/ PREPEND', '/^X: prepend bad/ PREPEND no header', '/^X: prepend/ PREPEND X-New: $0',
        '/^X: replace none/ REPLACE', '/^X: replace bad/ REPLACE no header', '/^X: replace to/ REPLACE To: a, b', '/^X: replace/ replace   X-Other:  value  ',
        '/^X: ignore/ IGNORE', '/^X: strip/ STRIP away', '/^X: warn/ WARN look', '/^X: info/ INFO look', '/^X: pass/ PASS on', '/^X: dunno/ DUNNO', '/^X: ok/ OK',
        '/^X: unknown/ WHAT is this', '/^Received:.*replace/ REPLACE X-Was: received', '/^Received:.*ignore/ IGNORE', '/^Message-Id: ignore/ IGNORE', '/long/ WARN', '/folded\\n/ WARN folded', '/^Bcc:/ WARN dropped',
        '/^Subject: f.nf$/ WARN dot', '/^Subject: fünf$/ WARN utf8',
      ].join('\n') + '\n',
      body: ['/^reject/ REJECT body', '/^discard/ DISCARD', '/^prepend/ PREPEND before', '/^replace/ REPLACE other', '/^ignore/ IGNORE', '/^strip/ STRIP it', '/^warn/ WARN w', '/^pass/ PASS p', '/^bcc/ BCC c@d', '/^filter/ FILTER x:y', '/^$/ INFO empty', '/^hold/ HOLD'].join('\n') + '\n',
      mime: '/^Content-Type: text.html/ WARN html\n/^MIME-Version/ WARN version\n/^X: part/ REPLACE X: mime\n/./ INFO mime\n',
      nested: '/^X: part/ REPLACE X: nested\n/./ INFO nested\n',
    },
    messages: [
      ...['reject', 'reject text', 'reject dsn', 'reject later', 'reject bad', 'discard', 'hold', 'filter none', 'filter bad', 'filter', 'redirect bad', 'redirect',
        'bcc bad', 'bcc', 'prepend none', 'prepend bad', 'prepend', 'replace none', 'replace bad', 'replace to', 'replace', 'ignore', 'strip', 'warn', 'info', 'pass',
        'dunno', 'ok', 'unknown'].map((action) => mail(`header ${action}`, `X: ${action}\nX: warn\nX: discard after ${action}\n\nwarn`)),
      ...['reject', 'discard', 'prepend', 'replace', 'ignore', 'strip', 'warn', 'pass', 'bcc', 'filter', 'hold'].map((action) => mail(`body ${action}`, `A: b\n\n\n${action} this\nwarn`)),
      mail('several', 'X: bcc\nX: filter\nX: redirect\nX: bcc\n\nx', { envelope: [T, LOCAL, 'S x', 'A log_message_origin=h[1.2.3.4]', 'A log_protocol_name=ESMTP', 'A log_helo_name=he', R1] }),
      mail('no recipient yet', 'X: bcc\nX: warn\n\nx', { envelope: [T, LOCAL, 'S x'], extracted: [R1] }),
      mail('bcc without recipient', 'X: bcc\n\nx', { envelope: [T, LOCAL, 'S x'] }),
      mail('long', `X: long ${'x'.repeat(300)}\nY: folded\n too\nBcc: x\n\nx`),
      mail('Received replaced', 'Received: replace\n\nx'),
      mail('Received ignored', 'x', { content: 'Received: ignore\nX: y\n\nx' }),
      mail('Message-Id ignored', 'Message-Id: ignored\n\nx'),
      mail('not ASCII', 'Subject: fünf\nX: y\n\nx'),
      mail('body size limit', `A: b\n\n${'x'.repeat(20)}\nwarn 22\nwarn 30\n${'x'.repeat(20)}\nwarn 59\nwarn 67`),
      mail('MIME', 'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="b"\n\nwarn preamble\n--b\nContent-Type: text/html\nX: part\n\nwarn part\n--b\n\nno headers\n--b\nContent-Type: message/rfc822\n\nX: part\nContent-Type: text/html\n\nwarn nested\n--b--\nwarn'),
      mail('no filter', 'X: reject\n\nreject', { flags: HOLD }),
      mail('bounce wanted', 'X: warn\n\nx', { flags: HOLD | 3 }),
    ],
  },
  'strict MIME': {
    main: { strict_8bitmime: 'yes', strict_mime_encoding_domain: 'yes', mime_nesting_limit: '2', message_reject_characters: String.raw`\001\a`, message_strip_characters: String.raw`\002x`, non_empty_end_of_header_action: 'reject' },
    messages: [
      mail('8bit header', 'Subject: fünf\n\ny'),
      mail('8bit body', 'Subject: a\n\nfünf'),
      mail('8bit body announced', 'Subject: a\nContent-Transfer-Encoding: 8bit\n\nfünf'),
      mail('encoding domain', 'Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\ny'),
      mail('nesting', `Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: multipart/mixed; boundary=d\n\n--d\nContent-Type: multipart/mixed; boundary=e\n\n--e\n\ny`),
      mail('rejected character', 'Subject: a\x01b\n\ny'),
      mail('rejected character in body', 'Subject: a\n\nabc\x07def'),
      mail('stripped character', 'Subject: a\x02b\n\naxbxc'),
      mail('end of header', 'Subject: a\nbody'),
      mail('several', 'Subject: fünf\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\nbody fünf'),
      mail('no filter', 'Subject: fünf\x01\nbody', { flags: HOLD }),
      mail('header too long', `Subject: ${'a'.repeat(110_000)}\n b\n\nbody`),
    ],
  },
  'limits and other ways': {
    main: {
      message_size_limit: '3000', header_size_limit: '200', line_length_limit: '512', non_empty_end_of_header_action: 'add_header', hopcount_limit: '3', message_drop_headers: 'x-secret, subject, to, mime-version',
      cleanup_replace_stray_cr_lf: 'no', detect_8bit_encoding_header: 'no', requiretls_esmtp_header: 'no', smtputf8_enable: 'no', disable_mime_input_processing: 'yes', empty_address_recipient: 'nobody', header_address_token_limit: '20',
    },
    messages: [
      mail('too large', `A: b\n\n${'0123456789\n'.repeat(400)}`),
      mail('just fits', `A: b\n\n${'0123456789\n'.repeat(150)}`),
      ...Array.from({ length: 16 }, (_, i) => mail(`near the limit ${i}`, `A: b\n\n${'0123456789\n'.repeat(176)}${'1'.repeat(i)}`)),
      mail('headers', `To: ${'a, '.repeat(100)}\nFrom: ${'abcdefghi@example.com, '.repeat(10)}\nX-Secret: x\nSubject: x\nX: ${'y '.repeat(150)}\nSender: a\n b\n c\n\nx`),
      mail('header lines', `X: ${'y '.repeat(20)}\n ${'z '.repeat(70)}\n more ${'y'.repeat(30)}\n last\nX: ${'y '.repeat(92)}\n ${'z '.repeat(70)}\n\nx`),
      mail('end of header', 'Content-Transfer-Encoding: 8bit\nnot a header\nx'),
      mail('hops', 'Received: x\nReceived: y\n\nx'),
      mail('stray line ends', 'a: b\rc\n\nd\re'),
      mail('utf8', 'To: jörg\n\nx', { envelope: [T, LOCAL, 'S jörg', 'R müller'], flags: HOLD | 512 | 1024 }),
      mail('empty recipient', 'To: x\n\nx', { envelope: [T, LOCAL, 'S jörg', 'R '] }),
    ],
  },
}
