/**
 * Names of record types, as postcat shows them.
 *
 * @module
 */
import { RECORD } from './record.ts'

const NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [RECORD.size, 'message_size'],
  [RECORD.time, 'message_arrival_time'],
  [RECORD.createTime, 'queue_file_create_time'],
  [RECORD.fullName, 'sender_fullname'],
  [RECORD.inspector, 'content_inspector'],
  [RECORD.filter, 'content_filter'],
  [RECORD.sender, 'sender'],
  [RECORD.done, 'done_recipient'],
  [RECORD.canceled, 'canceled_recipient'],
  [RECORD.recipient, 'recipient'],
  [RECORD.originalRecipient, 'original_recipient'],
  [RECORD.warnTime, 'warning_message_time'],
  [RECORD.attribute, 'named_attribute'],
  [RECORD.pointer, 'pointer_record'],
  [RECORD.killed, 'killed_record'],
  [RECORD.message, 'message_content'],
  [RECORD.text, 'regular_text'],
  [RECORD.padding, 'padding'],
  [RECORD.extracted, 'extracted_info'],
  [RECORD.returnReceipt, 'return_receipt'],
  [RECORD.errorsTo, 'errors_to'],
  [RECORD.priority, 'priority'],
  [RECORD.verp, 'verp_delimiters'],
  [RECORD.end, 'message_end'],
  [RECORD.redirect, 'redirect_to'],
  [RECORD.flags, 'flags'],
  [RECORD.returnFlags, 'dsn_return_flags'],
  [RECORD.envelopeId, 'dsn_envelope_id'],
  [RECORD.dsnRecipient, 'dsn_original_recipient'],
  [RECORD.notify, 'dsn_notify_flags'],
])

/** The name of a record type; in the content segment `L` has another one than here: `unterminated_text`. */
export function recordName(type: number): string {
  return NAMES.get(type) ?? 'unknown_record_type'
}
