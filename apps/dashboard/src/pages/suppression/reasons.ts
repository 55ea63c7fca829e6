/** The reasons of suppressions as choices. */
import { suppressionReasons } from '@carillon/contracts';
import { sentenceCase } from '../../words.js';

export const reasonChoices = suppressionReasons.map((reason) => ({
  value: reason,
  label: sentenceCase(reason),
}));
