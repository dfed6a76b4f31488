import { useVersionedContext } from '@backstage/version-bridge';

/** As much of a catalog entity as matters here. */
export interface RunnerEntity {
  kind: string;
  metadata: {
    name: string;
    namespace?: string | undefined;
    annotations?: Record<string, string> | undefined;
  };
}

/**
 * The entity of the catalog's page. It is read from the context that the
 * catalog provides, without the catalog's own package, which weighs as much
 * as a portal.
 */
export function useCatalogEntity(): RunnerEntity | undefined {
  const context = useVersionedContext<{ 1: { entity?: RunnerEntity } }>(
    'entity-context',
  );
  return context?.atVersion(1)?.entity;
}

/** `Component:default/Shop`, as instances name it. */
export function refOfEntity(entity: RunnerEntity): string {
  const { name, namespace = 'default' } = entity.metadata;
  return `${entity.kind}:${namespace}/${name}`;
}

/** For the conditions of an entity page. */
export function isRunnerAvailable(entity: RunnerEntity): boolean {
  return entity.metadata.annotations?.[ENABLED] === 'true';
}

export const ENABLED = 'runner.backstage.io/enabled';
