/**
 * Where logins of SMTP clients are checked, by smtpd_sasl_type.
 *
 * - `dovecot`: Dovecot's authentication service at smtpd_sasl_path;
 * - `posthorn`: our own password file, smtpd_sasl_password_file.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { asciiLower } from '#util/ascii.ts'
import { dovecotSasl } from './sasl/dovecot.ts'
import { localSasl } from './sasl/local.ts'
import { PasswordFile } from './sasl/password-file.ts'
import type { SaslServer } from './sasl/server.ts'

/**
 * Opens the place that smtpd_sasl_type names; undefined when logins are not enabled.
 *
 * @throws {ConfigError} For a type that we do not have, Cyrus' library among them.
 */
export function openSaslServer(config: Config): SaslServer | undefined {
  if (!config.bool('smtpd_sasl_auth_enable')) return undefined
  const type = config.str('smtpd_sasl_type')
  switch (asciiLower(type)) {
    case 'dovecot':
      return dovecotSasl({ path: config.str('smtpd_sasl_path'), service: config.str('smtpd_sasl_service') })
    case 'posthorn':
      return localSasl(new PasswordFile(config.str('smtpd_sasl_password_file')), config.str('smtpd_sasl_local_domain'))
    default:
      throw new ConfigError(
        'SASL per-process initialization failed', [`unsupported SASL server implementation: ${type}`],
      )
  }
}
