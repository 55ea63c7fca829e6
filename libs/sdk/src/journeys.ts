/** Journeys: saved, let go live, watched. Their definitions are built with `journey(…)` (journey.ts). */
import type {
  BodyInputOf,
  Enrollment,
  EnrollmentHistory,
  EnrollmentState,
  Journey,
  JourneyExplanation,
  JourneyFinding,
  JourneyMoved,
  JourneyNumbers,
  JourneySimulation,
  JourneyState,
  JourneyVersion,
  ParkedSignal,
  SimulatedPerson,
  SimulatedWay,
} from '@carillon/contracts';
import type { BuiltJourney } from './journey.js';
import { List } from './pages.js';
import { newKey, type CallOptions, type Requests } from './requests.js';
import type { Paging } from './resources.js';

export type JourneyInput = BodyInputOf<'saveJourney'>;
/** Who is played, from when, and what becomes of messages. */
export type JourneySimulateInput = BodyInputOf<'simulateJourney'>;
/** Who enters: a profile, several, or an audience. */
export type JourneyEnterInput = BodyInputOf<'enterJourney'>;

export class Journeys {
  /** @internal */
  constructor(private readonly requests: Requests) {}

  /** By key. */
  list(query: Paging & { state?: JourneyState; search?: string } = {}, options?: CallOptions): List<Journey> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) => this.requests.call('listJourneys', { query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  /** Creates a journey or changes its draft; what is live stays until the draft goes live. */
  save(key: string, journey: JourneyInput, options?: CallOptions): Promise<Journey>;
  /** The same of one that was built: `carillon.journeys.save(journey('welcome').on(…)…)`. */
  save(built: BuiltJourney, options?: CallOptions): Promise<Journey>;
  save(
    first: string | BuiltJourney,
    second?: JourneyInput | CallOptions,
    third?: CallOptions,
  ): Promise<Journey> {
    const [key, body, options] =
      typeof first === 'string'
        ? [first, second as JourneyInput, third]
        : [first.key, { name: first.name, definition: first.definition }, second as CallOptions | undefined];
    return this.requests.call('saveJourney', { params: { key }, body, options });
  }

  get(key: string, options?: CallOptions): Promise<Journey> {
    return this.requests.call('getJourney', { params: { key }, options });
  }

  /** Only one that was never live, or is over with nobody inside. */
  async delete(key: string, options?: CallOptions): Promise<void> {
    await this.requests.call('deleteJourney', { params: { key }, options });
  }

  /** What would go wrong, in sentences. Of anything: also of a definition that is not finished. */
  async lint(definition: unknown, options?: CallOptions): Promise<JourneyFinding[]> {
    return (await this.requests.call('lintJourney', { body: { definition }, options })).findings;
  }

  async versions(key: string, options?: CallOptions): Promise<JourneyVersion[]> {
    return (await this.requests.call('listJourneyVersions', { params: { key }, options })).items;
  }

  /** Newcomers take the draft (or an earlier `version`) from now on; who is inside finishes theirs. */
  goLive(key: string, how: BodyInputOf<'goLiveJourney'> = {}, options?: CallOptions): Promise<Journey> {
    return this.requests.call('goLiveJourney', { params: { key }, body: how, options });
  }

  /**
   * People inside an older version go over to what newcomers take, each to the step of the same key, or the one that `steps` names
   * for it. Without `apply` it only says where they would go; who has no place finishes the old version.
   */
  moveInsiders(key: string, how: BodyInputOf<'moveInsiders'>, options?: CallOptions): Promise<JourneyMoved> {
    return this.requests.call('moveInsiders', { params: { key }, body: how, options });
  }

  /** Nobody enters and nobody moves. `insiders: 'discard'`: who comes to a step meanwhile leaves. */
  pause(key: string, how: BodyInputOf<'pauseJourney'> = {}, options?: CallOptions): Promise<Journey> {
    return this.requests.call('pauseJourney', { params: { key }, body: how, options });
  }

  resume(key: string, options?: CallOptions): Promise<Journey> {
    return this.requests.call('resumeJourney', { params: { key }, body: {}, options });
  }

  /** Nobody enters any more; who is inside finishes. */
  close(key: string, reason?: string, options?: CallOptions): Promise<Journey> {
    return this.requests.call('closeJourney', { params: { key }, body: because(reason), options });
  }

  /** Everybody leaves at once. */
  stop(key: string, reason?: string, options?: CallOptions): Promise<Journey> {
    return this.requests.call('stopJourney', { params: { key }, body: because(reason), options });
  }

  /** Lets people in, by its own rules of entry. @returns for how many it will be decided */
  async enter(key: string, who: JourneyEnterInput, options?: CallOptions): Promise<number> {
    return (await this.requests.call('enterJourney', { params: { key }, body: who, options })).signalled;
  }

  /**
   * Something happened, though to nobody: journeys that are entered by it (`.onBusiness(…)`) let their audiences in.
   * @returns keys of those journeys
   */
  async happened(
    name: string,
    { properties, key }: { properties?: Record<string, unknown>; key?: string } = {},
    options?: CallOptions,
  ): Promise<string[]> {
    const body = { name, ...(properties && { properties }), key: key ?? newKey() };
    return (await this.requests.call('tellBusinessEvent', { body, repeatable: true, options })).journeys;
  }

  /** Who is inside or was, the newest first. With `step`: who is there now. */
  enrollments(
    key: string,
    query: Paging & { step?: string; state?: EnrollmentState; profile?: string; version?: number } = {},
    options?: CallOptions,
  ): List<Enrollment> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) =>
        this.requests.call('listEnrollments', { params: { key }, query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  /** One of them, step by step. */
  enrollment(key: string, id: string, options?: CallOptions): Promise<EnrollmentHistory> {
    return this.requests.call('getEnrollment', { params: { key, id }, options });
  }

  /** Has somebody leave. */
  end(key: string, id: string, reason?: string, options?: CallOptions): Promise<Enrollment> {
    return this.requests.call('endEnrollment', { params: { key, id }, body: because(reason), options });
  }

  /** Tries the step again at which somebody was parked. */
  retry(key: string, id: string, options?: CallOptions): Promise<Enrollment> {
    return this.requests.call('retryEnrollment', { params: { key, id }, body: {}, options });
  }

  /** Leaves out the step at which somebody was parked. */
  skip(key: string, id: string, options?: CallOptions): Promise<Enrollment> {
    return this.requests.call('skipEnrollment', { params: { key, id }, body: {}, options });
  }

  /**
   * Why something, or nothing, happened to somebody.
   * @param query `event`: the id of an event of theirs, or its name
   */
  explain(
    key: string,
    query: { profile: string; event?: string },
    options?: CallOptions,
  ): Promise<JourneyExplanation> {
    return this.requests.call('explainJourney', { params: { key }, query, options });
  }

  /** What happened to people and could not be taken, the oldest first. */
  parked(query: Paging = {}, options?: CallOptions): List<ParkedSignal> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) => this.requests.call('listParkedSignals', { query: { ...rest, cursor }, options: o }),
      start,
      options,
    );
  }

  /** Takes it again. */
  async retrySignal(id: string, options?: CallOptions): Promise<void> {
    await this.requests.call('retrySignal', { params: { id }, body: {}, options });
  }

  /** Forgets it: no journey learns of it. */
  async skipSignal(id: string, options?: CallOptions): Promise<void> {
    await this.requests.call('skipSignal', { params: { id }, options });
  }

  /** How many came, are inside and left, by step. */
  numbers(key: string, query: { version?: number } = {}, options?: CallOptions): Promise<JourneyNumbers> {
    return this.requests.call('getJourneyNumbers', { params: { key }, query, options });
  }

  /** Plays it for people of yours on a clock of its own, with every rule of the gate. Nothing is sent. */
  simulate(key: string, asked: JourneySimulateInput = {}, options?: CallOptions): Promise<JourneySimulation> {
    return this.requests.call('simulateJourney', { params: { key }, body: asked, options });
  }

  /** What was played, the newest first. */
  async simulations(key: string, options?: CallOptions): Promise<JourneySimulation[]> {
    return (await this.requests.call('listJourneySimulations', { params: { key }, options })).items;
  }

  simulation(key: string, id: string, options?: CallOptions): Promise<JourneySimulation> {
    return this.requests.call('getJourneySimulation', { params: { key, id }, options });
  }

  /** Who was played. With `step`: who came to it. */
  simulatedPeople(
    key: string,
    id: string,
    query: Paging & { outcome?: string; step?: string; profile?: string } = {},
    options?: CallOptions,
  ): List<SimulatedPerson> {
    const { cursor: start, ...rest } = query;
    return new List(
      (cursor, o) =>
        this.requests.call('listSimulatedPeople', {
          params: { key, id },
          query: { ...rest, cursor },
          options: o,
        }),
      start,
      options,
    );
  }

  /** One of them: their way, with times and what their messages say. */
  simulatedWay(key: string, id: string, no: number, options?: CallOptions): Promise<SimulatedWay> {
    return this.requests.call('getSimulatedWay', { params: { key, id, no }, options });
  }
}

const because = (reason: string | undefined) => (reason === undefined ? {} : { reason });
