/** Parameters of the cleanup service: see src/cleanup/service-config.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cleanupConfig } from '#cleanup/service-config.ts'
import { loadConfig } from '#config/load.ts'
import { createConfigSite } from '#test/support/postconf.ts'

test('cleanupConfig() has the -o of the service asked for, and its name for $service_name', () => {
  using site = createConfigSite({
    'main.cf': 'header_checks = pcre:main\nsyslog_name = x/$service_name\n',
    'master.cf': 'cleanup unix n - n - 0 cleanup\nother unix n - n - 0 cleanup -o header_checks=pcre:$service_name\n',
  })
  const texts = (service: string) => {
    const config = cleanupConfig(loadConfig(site.directory), service)
    return [config.str('header_checks'), config.str('syslog_name'), config.str('process_name')]
  }
  assert.deepEqual(texts('cleanup'), ['pcre:main', 'x/cleanup', 'cleanup'])
  assert.deepEqual(texts('other'), ['pcre:other', 'x/other', 'cleanup'])
  assert.deepEqual(texts('nosuch'), ['pcre:main', 'x/nosuch', 'cleanup'])
})
