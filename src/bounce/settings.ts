/**
 * Parameters of the bounce service.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import type { Config } from '#config/config.ts'
import { isParameterName } from '#config/parameters/table.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import type { PlanSettings } from './plan.ts'
import { builtInTemplates, expandText, parseTemplates, type Templates } from './template.ts'

/** All that the service takes from main.cf, read once. */
export type BounceSettings = PlanSettings & {
  readonly templates: Templates
  readonly myhostname: string
  readonly myorigin: string
  readonly mailName: string
  readonly doubleBounceSender: string
  readonly smtputf8: boolean
  readonly threaded: boolean
  readonly compatibleLog: boolean
  readonly lifetimeSeconds: number
  readonly queueService: string
}

/** @throws {SyntaxError} When a template names a parameter that does not exist. */
export function readSettings(config: Config): BounceSettings {
  return {
    templates: readTemplates(config),
    notifyClasses: new Set(config.list('notify_classes')),
    doubleBounceSender: config.str('double_bounce_sender'),
    doubleBounceAddress: `${config.str('double_bounce_sender')}@${config.str('myorigin')}`,
    bounceRecipient: config.str('bounce_notice_recipient'),
    doubleBounceRecipient: config.str('2bounce_notice_recipient'),
    delayRecipient: config.str('delay_notice_recipient'),
    sizeLimit: config.int('bounce_size_limit'),
    myhostname: config.str('myhostname'),
    myorigin: config.str('myorigin'),
    mailName: config.str('mail_name'),
    smtputf8: config.bool('smtputf8_enable'),
    threaded: config.bool('enable_threaded_bounces'),
    compatibleLog: config.bool('backwards_bounce_logfile_compatibility'),
    lifetimeSeconds: config.time('maximal_queue_lifetime'),
    queueService: config.str('queue_service_name'),
  }
}

function readTemplates(config: Config): Templates {
  const raw = rawTemplates(config)
  const value = (name: string): string | undefined =>
    isParameterName(name) || config.isSet(name) ? config.expand(`\${${name}}`) : undefined
  const seconds = (name: 'delay_warning_time' | 'maximal_queue_lifetime'): number => config.time(name)
  const expanded = Object.entries(raw).map(([kind, template]) =>
    [kind, { ...template, text: expandText(template.text, value, seconds) }] as const)
  return { ...raw, ...Object.fromEntries(expanded) }
}

function rawTemplates(config: Config): Templates {
  const builtIn = builtInTemplates(config.str('header_from_format') === 'standard')
  const file = config.str('bounce_template_file')
  if (file === '') return builtIn
  try {
    return parseTemplates(readFileSync(file, 'utf8'), builtIn, (problem) => log.warning(`${file}: ${problem}`))
  } catch (error) {
    // A notice in our words is better than none.
    log.warning(
      `${file}: ${error instanceof SyntaxError ? error.message : errnoText(error)} -- using built-in templates`
    )
    return builtIn
  }
}
