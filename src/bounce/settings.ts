/**
 * Parameters of the bounce service.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { faultsToReport } from '#service/error-notice.ts'
import { log } from '#system/log.ts'
import { builtInTemplates, expandTemplate, NOTICE_KINDS, readTemplates, type Templates } from '#service/notice-templates.ts'
import type { PlanSettings } from './plan.ts'

/** All that the service takes from main.cf, read once. The texts of `templates` are expanded. */
export type BounceSettings = PlanSettings & {
  readonly templates: Templates
  readonly myhostname: string
  readonly mailName: string
  readonly doubleBounceSender: string
  readonly smtputf8: boolean
  readonly threaded: boolean
  readonly compatibleLog: boolean
  readonly lifetimeSeconds: number
  readonly queueService: string
}

/** Reads the parameters. @throws {ConfigError} A value that cannot be used. */
export function readSettings(config: Config): BounceSettings {
  // A class that there is not is told at the start, as in every program that knows them.
  faultsToReport(config)
  return {
    templates: usableTemplates(config),
    notifyClasses: new Set(config.list('notify_classes')),
    doubleBounceSender: config.str('double_bounce_sender'),
    doubleBounceAddress: `${config.str('double_bounce_sender')}@${config.str('myhostname')}`,
    bounceRecipient: config.str('bounce_notice_recipient'),
    doubleBounceRecipient: config.str('2bounce_notice_recipient'),
    delayRecipient: config.str('delay_notice_recipient'),
    sizeLimit: config.int('bounce_size_limit'),
    myhostname: config.str('myhostname'),
    mailName: config.str('mail_name'),
    smtputf8: config.bool('smtputf8_enable'),
    threaded: config.bool('enable_threaded_bounces'),
    compatibleLog: config.bool('backwards_bounce_logfile_compatibility'),
    lifetimeSeconds: config.time('maximal_queue_lifetime'),
    queueService: config.str('queue_service_name'),
  }
}

function logWarning(text: string): void {
  log.warning(text)
}

/** A notice in our words is better than none: they stand in for a file that cannot be used. */
function usableTemplates(config: Config): Templates {
  const file = config.str('bounce_template_file')
  const builtIn = builtInTemplates(config.str('header_from_format') === 'standard')
  try {
    return expandAll(file === '' ? builtIn : readTemplates(file, builtIn, logWarning), config, file)
  } catch (error) {
    if (file === '' || !(error instanceof ConfigError)) throw error
    for (const text of error.warnings) logWarning(text)
    logWarning(`${error.message} -- using built-in templates`)
    return expandAll(builtIn, config, '')
  }
}

function expandAll(templates: Templates, config: Config, file: string): Templates {
  const expanded = NOTICE_KINDS.map((kind) => {
    const template = templates[kind]
    return [kind, { ...template, text: expandTemplate(kind, template.text, config, file, logWarning) }] as const
  })
  return { ...templates, ...Object.fromEntries(expanded) }
}
