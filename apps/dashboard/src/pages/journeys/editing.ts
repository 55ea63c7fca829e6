/** What every field of the canvas' panel knows: the document, what there is to choose from, and what is wrong where. */
import type { AudienceVocabulary, JourneyDefinition, JourneyFinding } from '@carillon/contracts';
import { createContext, useContext } from 'react';
import type { Place } from './document.js';

export interface Choices {
  words: AudienceVocabulary;
  templates: { value: string; label: string }[];
  /** Lists are joined and left; only what is live or a list tells who enters and leaves. */
  audiences: { value: string; label: string; list: boolean; live: boolean }[];
  journeys: { value: string; label: string }[];
}
export interface Editing extends Choices {
  document: JourneyDefinition;
  findings: readonly JourneyFinding[];
  readOnly: boolean;
}
export const EditingContext = createContext<Editing | null>(null);
export const useEditing = (): Editing => {
  const editing = useContext(EditingContext);
  if (!editing) throw new Error('A field of a journey stands outside of its panel.');
  return editing;
};
/** The first error at a place in the document or below it. Warnings stand above the fields. */
export const faultAt = (findings: readonly JourneyFinding[], ...place: Place): string | undefined => {
  const at = place.map((part) => `/${part}`).join('');
  return findings.find((one) => one.level === 'error' && (one.at === at || one.at.startsWith(`${at}/`)))
    ?.message;
};
