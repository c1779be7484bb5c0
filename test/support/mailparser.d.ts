/** The part of mailparser that tests use; the package brings no types. */
declare module 'mailparser' {
  export type Attachment = {
    readonly contentType: string
    readonly headers: Map<string, unknown>
    readonly content: Buffer
  }

  export type ParsedMail = {
    readonly headers: Map<string, unknown>
    readonly headerLines: readonly { readonly key: string; readonly line: string }[]
    readonly subject?: string
    readonly from?: { readonly text: string }
    readonly to?: { readonly text: string }
    readonly text?: string
    readonly attachments: readonly Attachment[]
  }

  export function simpleParser(
    source: string | Buffer, options?: { readonly skipHtmlToText?: boolean; readonly keepDeliveryStatus?: boolean },
  ): Promise<ParsedMail>
}
