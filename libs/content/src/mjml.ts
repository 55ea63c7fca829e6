/**
 * MJML to HTML, when a template is saved: never while sending, since it takes milliseconds and its module loads slowly,
 * which is why it is imported at the first use. Liquid in the source passes untouched.
 */
import { TemplateError } from './errors.js';

/** Whether an HTML field holds MJML. */
export function isMjml(source: string): boolean {
  return /^\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->)[^])*-->\s*)*<mjml[\s>]/i.test(source);
}

/**
 * HTML that mail clients understand.
 * @throws TemplateError `mjml_invalid` with the line of the first mistake
 */
export async function mjmlToHtml(source: string): Promise<string> {
  if (/<mj-include\b/i.test(source)) {
    throw new TemplateError('mjml_invalid', 'mj-include is not available here: paste the part instead.');
  }
  const { default: mjml } = await import('mjml');
  let result: { html: string; errors: { line: number; message: string }[] };
  try {
    result = await mjml(source, { validationLevel: 'soft', ignoreIncludes: true, keepComments: false });
  } catch (error) {
    throw new TemplateError('mjml_invalid', `This is not valid MJML: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  const [first] = result.errors;
  if (first) throw new TemplateError('mjml_invalid', `${first.message}.`, { line: first.line });
  return result.html;
}
