/** What the simulator kept: runs, people, and one person's way with what its messages said, rendered when somebody looks. */
import type { JourneySimulation, SimulatedMessage, SimulatedPerson, SimulatedWay } from '@carillon/contracts';
import { JourneyDefinition } from '@carillon/contracts';
import type { Database, Sql } from '@carillon/database';
import type { RenderInput } from '@carillon/delivery-rules';
import { channelShapes, contentFor, templateContent, type RenderPool } from '@carillon/delivery-service';
import type { KeptWay } from './simulate-journey.js';

interface Row {
  id: string;
  version: number | null;
  definition: JourneyDefinition;
  result: Omit<JourneySimulation, 'id' | 'version' | 'definition' | 'createdBy' | 'createdAt'>;
  createdBy: string;
  createdAt: Date;
}
const COLUMNS = `id, version, definition, result, created_by AS "createdBy", created_at AS "createdAt"`;
const toSimulation = ({ result, createdAt, ...row }: Row): JourneySimulation => ({
  ...row,
  ...result,
  createdAt: createdAt.toISOString(),
});

export async function simulationsOf(
  sql: Sql,
  workspaceId: string,
  journeyId: string,
  id?: string,
): Promise<JourneySimulation[]> {
  const rows = await sql.query<Row>(
    `SELECT ${COLUMNS} FROM journey_simulations WHERE workspace_id = $1 AND journey_id = $2 AND ($3::uuid IS NULL OR id = $3) ORDER BY id DESC`,
    [workspaceId, journeyId, id ?? null],
  );
  return rows.map(toSimulation);
}

/** In the order in which they came in. */
export async function simulatedPeople(
  sql: Sql,
  workspaceId: string,
  id: string,
  asked: {
    after: number;
    limit: number;
    outcome?: string | undefined;
    step?: string | undefined;
    profile?: string | undefined;
  },
): Promise<SimulatedPerson[]> {
  const rows = await sql.query<{ shown: SimulatedPerson }>(
    `SELECT shown FROM simulated_people WHERE workspace_id = $1 AND simulation_id = $2 AND no > $3::bigint
        AND ($4::text IS NULL OR outcome = $4) AND ($5::text IS NULL OR $5 = ANY(steps)) AND ($6::text IS NULL OR shown->>'profile' = $6)
      ORDER BY no LIMIT $7`,
    [
      workspaceId,
      id,
      asked.after,
      asked.outcome ?? null,
      asked.step ?? null,
      asked.profile ?? null,
      asked.limit,
    ],
  );
  return rows.map(({ shown }) => shown);
}

/** Nobody is unsubscribed by looking. */
const NO_LINK = 'https://unsubscribe.invalid/';

/** @returns null when there is no such person */
export async function simulatedWay(
  database: Database,
  renderer: Pick<RenderPool, 'render'>,
  workspaceId: string,
  journeyId: string,
  id: string,
  no: number,
): Promise<SimulatedWay | null> {
  const found = await database.inWorkspace(workspaceId, async (sql) => {
    const [row] = await sql.query<{
      shown: SimulatedPerson;
      way: Dated<KeptWay>;
      definition: JourneyDefinition;
    }>(
      `SELECT p.shown, p.way, s.definition FROM simulated_people p JOIN journey_simulations s ON s.workspace_id = $1 AND s.id = p.simulation_id
        WHERE p.workspace_id = $1 AND s.journey_id = $2 AND s.id = $3 AND p.no = $4`,
      [workspaceId, journeyId, id, no],
    );
    if (!row) return null;
    const refs = row.way.visits.flatMap(({ messages }) =>
      messages.flatMap(({ says }) => says?.template ?? []),
    );
    const templates = await templateContent(sql, workspaceId, refs.map(refOf));
    return { ...row, templates };
  });
  if (!found) return null;
  const { shown, way, definition, templates } = found;

  const inputs: { input: RenderInput; message: Message; into: SimulatedMessage }[] = [];
  const visits = way.visits.map(({ messages, ...visit }) => ({
    ...visit,
    messages: messages.map((message) => {
      const { says, address: _, ...rest } = message;
      const into: SimulatedMessage = { ...rest, content: null, problem: null };
      if (!says) return into;
      const step = definition.steps[message.step];
      const ref = refOf(says.template);
      const inline = step?.kind === 'send' ? (step.content ?? null) : null;
      const chosen = contentFor(ref, inline, templates(ref), says.recipient.locale);
      if (!chosen) into.problem = 'Its template version is missing.';
      else
        inputs.push({
          message,
          into,
          input: {
            ...chosen,
            data: says.data,
            recipient: { ...says.recipient, profileId: null, devices: [] },
            messageClass: message.class,
            replyTo: null,
            attachments: [],
            unsubscribeUrl: NO_LINK,
          },
        });
      return into;
    }),
  }));
  await Promise.all(
    inputs.map(async ({ input, message: { channel, address }, into }) => {
      const [result] = await renderer.render(channel, [input]);
      if (result?.ok) into.content = channelShapes[channel].show(result.rendered, address);
      else into.problem = result?.detail ?? 'Nothing was rendered.';
    }),
  );
  return { person: shown, visits, refused: way.refused };
}

/** As it comes back from JSON. */
type Dated<T> = T extends Date ? string : T extends object ? { [K in keyof T]: Dated<T[K]> } : T;
type Message = Dated<KeptWay>['visits'][number]['messages'][number];
const refOf = (template: { id: string; version: number } | null) => ({
  id: '',
  messageId: '',
  templateId: template?.id ?? null,
  templateVersion: template?.version ?? null,
});
