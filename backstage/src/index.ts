/**
 * Runs the components of a catalog in containers, through a RunnerHub.
 *
 * @packageDocumentation
 */
export {
  EntityRunnerCard,
  RunnerPage,
  rootRouteRef,
  runnerPlugin,
} from './plugin.js';
export * from './api/types.js';
export {
  type LogsOptions,
  type RunnerApi,
  type RunnerEvent,
  runnerApiRef,
} from './api/RunnerApi.js';
export { RunnerClient } from './api/RunnerClient.js';
export { RunnerError } from './api/RunnerError.js';
export type { Connection, InstancesSnapshot } from './live/InstancesFeed.js';
export type { LogLine } from './live/LogBuffer.js';
export type { LogSnapshot, LogState } from './live/LogFollower.js';
export { type Runner, type RunnerAction, useRunner } from './hooks/useRunner.js';
export {
  type RunnerCatalog,
  useRunnerComponents,
} from './hooks/useRunnerComponents.js';
export {
  type RunnerInstances,
  useRunnerInstances,
} from './hooks/useRunnerInstances.js';
export {
  type RunnerLogsOptions,
  type RunnerLogsResult,
  useRunnerLogs,
} from './hooks/useRunnerLogs.js';
export {
  type RunnerEntity,
  isRunnerAvailable,
} from './hooks/useCatalogEntity.js';
export { RunnerComponents } from './components/RunnerComponents.js';
export {
  RunnerControls,
  type RunnerControlsProps,
} from './components/RunnerControls.js';
export { RunnerLinks } from './components/RunnerLinks.js';
export { RunnerLogs, type RunnerLogsProps } from './components/RunnerLogs.js';
export { RunnerProgress } from './components/RunnerProgress.js';
export {
  RunnerStatus,
  type RunnerStatusProps,
} from './components/RunnerStatus.js';
