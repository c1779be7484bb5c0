/** Configurations that ours and the real postconf are shown. */

/** master.cf as Postfix 3.11 ships it, with services of a site's own. */
export const MASTER = `smtp       inet  n       -       n       -       -       smtpd
pickup     unix  n       -       n       60      1       pickup
cleanup    unix  n       -       n       -       0       cleanup
qmgr       unix  n       -       n       300     1       qmgr
tlsmgr     unix  -       -       n       1000?   1       tlsmgr
bounce     unix  -       -       n       -       0       bounce
smtp       unix  -       -       n       -       -       smtp
relay      unix  -       -       n       -       -       smtp
        -o syslog_name=\${multi_instance_name?{$multi_instance_name}:{postfix}}/$service_name
#       -o smtp_helo_timeout=5 -o smtp_connect_timeout=5
error      unix  -       -       n       -       -       error
discard    unix  -       -       n       -       -       discard
local      unix  -       n       n       -       -       local
lmtp       unix  -       -       n       -       -       lmtp
postlog    unix-dgram n  -       n       -       1       postlogd
submission inet n       -       n       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }
  -o smtpd_sasl_auth_enable=yes -o my_sub=foo -o mua_client=$my_sub -v
  -o nosuch_param=1 -o smtpd_restriction_classes=own_class -o own_class=permit -o smtpd_use_tls=yes
maildrop  unix  -       n       n       -       -       pipe
  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d \${recipient}
policy unix - n n - 0 spawn user=nobody argv=/usr/bin/policy {foo bar}
myvirt unix - n n 9999? - virtual -ob=c -va 12345678901234567890 1234567890 -- 123456789012345 1234567
`

/** A main.cf with one of everything: names of a site's own, tables with settings, names nothing uses. */
export const MAIN = `# comment
compatibility_level = 3.6
myhostname = host.example.com
mydestination = $myhostname, localhost
smtpd_restriction_classes = local_only, foo_class
local_only = check_recipient_access hash:/x, reject
foo_class = permit
my_var = 3
relayhost = $my_var
  # within
   $nosuch \${other:{x}}

unused_thing = 4 \u00e9
relayhost = $my_var
maildrop_destination_recipient_limit = 1
policy_time_limit = 3600s
xx_destination_recipient_limit = 3
smtpd_recipient_restrictions =
    permit_mynetworks,
    check_sender_access
      pgsql:/nonexistent/pgsql.cf
    reject_unauth_destination
virtual_alias_maps = mysql:myal proxy:ldap:accounts ldap:accts2
myal_hosts = 1.2.3.4
myal_nosuch = 3
accounts_server_host = ldap.example
inet_interfaces = all
smtp_use_tls = yes
virtual_maps = x
forward_path = $home/.forward
smtpd_banner = $undefined_name ESMTP
process_id = 3
aa = $bb
bb = 1
`

/** Nothing set at all. */
export const EMPTY_SITE = { 'main.cf': '', 'master.cf': '' } as const

/** Everything set. */
export const FULL_SITE = { 'main.cf': MAIN, 'master.cf': MASTER } as const

/** Files with every kind of line an edit may meet. */
export const EDITED_SITE = {
  'main.cf': `# head
#relayhost = old
myhostname = a.example
mydestination = a,
  b
# in
  c

 # x
relayhost=x
foo = 1 \u00e9
relayhost = y
${'  '}
tail = t
`,
  'master.cf': `# head
smtp      inet  n       -       n       -       -       smtpd
#smtp     inet n - n - - postscreen
relay unix - - n - - smtp
        -o syslog_name=postfix/$service_name
#       -o smtp_helo_timeout=5 -o smtp_connect_timeout=5
   -o { a = b c } x {y z}

showq     unix  n       -       n       -       -       showq
# end
`,
} as const
