/** mjml 5 carries no types; this is the part we use. */
declare module 'mjml' {
  export default function mjml2html(
    source: string,
    options: { validationLevel: 'soft' | 'strict' | 'skip'; ignoreIncludes: boolean; keepComments: boolean },
  ): Promise<{ html: string; errors: { line: number; message: string }[] }>;
}
