/**
 * What qshape says about its options.
 *
 * @module
 */

/** Lines after `Usage: qshape `. */
export const USAGE_LINES = [
  '[ -s ] [ -p ] [ -m <min_subdomains> ] [ -l ]',
  '\t[ -b <bucket_count> ] [ -t <bucket_time> ] [ -w <terminal_width> ]',
  '\t[ -N <batch_msg_count> ] [ -n <batch_top_domains> ]',
  '\t[ -c <config_directory> ] [ <queue_name> ... ]',
  '-s counts senders instead of recipients.',
  '-p adds lines for parent domains, with a dot before the name, that have at least',
  '<min_subdomains> (5) sub-domains; top-level domains are left out.',
  '',
  'Columns are ages in units of <bucket_time> minutes (5): below 1, 2, 4, 8, ...; with -l below 1, 2, 3, 4, ...;',
  'there are <bucket_count> (10) of them, and the last one has no limit.',
  '',
  'Without a queue, incoming and active are shown. Names that do not start with / are below queue_directory',
  'of the configuration in <config_directory>.',
] as const
