/**
 * The contract with nodemailer: what src/deliver/smtp/engine-base.ts lists of its insides.
 *
 * When this fails after an update of the package, read its lib/smtp-connection again
 * before anything else: the engine replaces parts of it by name.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { test } from 'node:test'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { ENGINE_METHODS, ENGINE_VERSION } from '#deliver/smtp/engine-base.ts'

const FIELDS = [
  '_socket', '_responseActions', '_responseQueue', '_supportedAuth', '_destroyed', 'options', 'servername', 'secure', 'secureConnection',
] as const

test('nodemailer is the version whose insides the engine knows', () => {
  assert.equal(new SMTPConnection({}).version, ENGINE_VERSION)
})

test('nodemailer has the methods that the engine calls and replaces', () => {
  for (const name of [...ENGINE_METHODS, 'connect', 'close', 'login'] as const) {
    assert.equal(typeof Reflect.get(SMTPConnection.prototype, name), 'function', name)
  }
})

test('nodemailer has the fields that the engine reads', () => {
  const connection = new SMTPConnection({ connection: new Socket() })
  for (const name of FIELDS) assert.ok(name in connection, name)
  assert.ok(Array.isArray(Reflect.get(connection, '_responseActions')))
  assert.ok(Array.isArray(Reflect.get(connection, '_responseQueue')))
})

test('nodemailer calls the replaced methods from where the engine expects it', () => {
  const source = readFileSync(new URL(import.meta.resolve('nodemailer/lib/smtp-connection')), 'utf8')
  const calls = [
    'this._processResponse();', 'this._responseActions.push(this._actionGreeting);', "this._onSocketError = error => this._onError(error, 'ESOCKET', false, 'CONN');",
    'this._onSocketTimeout = () => this._onTimeout();', 'setImmediate(() => this._onConnect());', 'this._responseQueue = [];',
  ]
  for (const call of calls) assert.ok(source.includes(call), call)
})
