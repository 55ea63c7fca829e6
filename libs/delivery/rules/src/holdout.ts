/** Who is held out: the same people each time, drawn by a hash of the group's key and the profile. Pure. */
import { hash32 } from '@carillon/audience-rules';

/** A number in [0, 1) that is the same for the same person and key. */
export const drawn = (key: string, profileId: string): number => hash32(`${key}\n${profileId}`) / 2 ** 32;
