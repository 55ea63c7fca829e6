/**
 * Numbers that are written in E.164 already, as most of a file are: looked at a tenth as long as the library needs, which
 * builds its patterns anew for each number. Says only what the library would say too, and nothing where that is not plain.
 */
import { Metadata } from 'libphonenumber-js/max';

/** Of the library's metadata, what its declarations leave out. */
interface Plan {
  selectNumberingPlan(of: string): void;
  hasCallingCode(code: string): boolean;
  getCountryCodesForCallingCode(code: string): string[] | undefined;
  nationalPrefixForParsing(): string | undefined;
  possibleLengths(): number[] | undefined;
  leadingDigits(): string | undefined;
  nationalNumberPattern(): string;
  type(name: string): { pattern(): string | undefined; possibleLengths(): number[] | undefined } | undefined;
}
const TYPES = ['FIXED_LINE', 'MOBILE', 'PREMIUM_RATE', 'TOLL_FREE', 'SHARED_COST', 'VOIP'].concat(
  'PERSONAL_NUMBER',
  'PAGER',
  'UAN',
  'VOICEMAIL',
);

interface Country {
  name: string;
  lengths: readonly number[];
  owns: (national: string) => boolean;
}
interface Code {
  /** What stands before numbers inside the country: who wrote it may have meant another number. */
  prefix: RegExp | undefined;
  countries: readonly Country[];
}
/** By calling code; null for what is none. */
const codes = new Map<string, Code | null>();

/**
 * @returns the country of a number in E.164 that is possible there, if it is of one; undefined where that takes a closer look
 */
export function plainPhone(text: string): { country: string | undefined } | undefined {
  if (!/^\+[1-9]\d{6,14}$/.test(text)) return undefined;
  for (let end = 2; end <= 4; end++) {
    const code = codeOf(text.slice(1, end));
    if (!code) continue;
    const national = text.slice(end);
    if (national.startsWith('0') || code.prefix?.test(national)) return undefined;
    const { countries } = code;
    const found = countries.length === 1 ? countries[0] : countries.find(({ owns }) => owns(national));
    // Nobody's, and of a length that all of them know: it might be of any of them.
    const fits = (found ? [found] : countries).every(({ lengths }) => lengths.includes(national.length));
    return fits && countries.length > 0 ? { country: found?.name } : undefined;
  }
  return undefined;
}

function codeOf(digits: string): Code | null {
  let code = codes.get(digits);
  if (code === undefined) {
    const plan = new Metadata() as unknown as Plan;
    code = plan.hasCallingCode(digits) ? read(plan, digits) : null;
    codes.set(digits, code);
  }
  return code;
}

function read(plan: Plan, digits: string): Code {
  plan.selectNumberingPlan(digits);
  const prefix = plan.nationalPrefixForParsing();
  const countries = (plan.getCountryCodesForCallingCode(digits) ?? []).filter((name) =>
    /^[A-Z]{2}$/.test(name),
  );
  return {
    prefix: prefix ? new RegExp(`^(?:${prefix})`) : undefined,
    countries: countries.map((name) => {
      plan.selectNumberingPlan(name);
      return { name, lengths: plan.possibleLengths() ?? [], owns: ownsBy(plan) };
    }),
  };
}

/** As the library decides between countries that share a code: by leading digits where it knows them, else by patterns. */
function ownsBy(plan: Plan): Country['owns'] {
  const leading = plan.leadingDigits();
  if (leading) {
    const begins = new RegExp(`^(?:${leading})`);
    return (national) => begins.test(national);
  }
  const whole = (pattern: string): RegExp => new RegExp(`^(?:${pattern})$`);
  const any = whole(plan.nationalNumberPattern());
  const types = TYPES.flatMap((name) => {
    const type = plan.type(name);
    const pattern = type?.pattern();
    return pattern ? [{ pattern: whole(pattern), lengths: type?.possibleLengths() }] : [];
  });
  return (national) =>
    any.test(national) &&
    types.some(
      ({ pattern, lengths }) => (!lengths || lengths.includes(national.length)) && pattern.test(national),
    );
}
