import type { InstancesSnapshot } from '../live/InstancesFeed.js';
import { RequestProblem } from './Problem.js';

export interface ConnectionNoticeProps {
  connection: InstancesSnapshot['connection'];
  problem?: Error | undefined;
  retry: () => void;
}

/** Says when what is shown may not be true any more. */
export function ConnectionNotice(props: ConnectionNoticeProps) {
  const { connection, problem, retry } = props;
  if (connection !== 'lost' || !problem) {
    return null;
  }
  return (
    <RequestProblem
      title="Connection lost: what is shown may be old. Trying again."
      error={problem}
      action={{ label: 'Try now', onClick: retry }}
    />
  );
}
