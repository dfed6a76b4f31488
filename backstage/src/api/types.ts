/** What the hub tells of components and their instances. */

export type InstanceStatus =
  | 'starting'
  | 'running'
  | 'stopping'
  | 'stopped'
  | 'error';

export type StepStatus = 'pending' | 'in_progress' | 'completed' | 'failed';

/** One of the five steps from a source to a running container. */
export interface DeploymentStep {
  type: string;
  status: StepStatus;
  title: string;
  description?: string;
  startedAt?: string;
  completedAt?: string;
  error?: string;
  /** Percent of this step, while it is in progress and when it is known. */
  progress?: number;
}

export interface DeploymentProgress {
  currentStep: string;
  steps: DeploymentStep[];
  /** 0 to 100. */
  overallProgress: number;
  isComplete: boolean;
  hasError: boolean;
  startedAt: string;
  completedAt?: string;
}

/** A component that was started, from then until long after its end. */
export interface RunnerInstance {
  id: string;
  /** As the catalog writes it: `Component:default/Shop`. */
  componentRef: string;
  status: InstanceStatus;
  /** Ports of the host that its container has. */
  ports: number[];
  startedAt: string;
  deploymentProgress?: DeploymentProgress;
  containerId?: string;
  stoppedAt?: string;
  error?: string;
  errorCode?: string;
  exitCode?: number;
  /** That ended it: `SIGKILL`. */
  signal?: string;
  outOfMemory?: boolean;
  /** Where browsers reach the ports, when the hub was told. */
  publicHost?: string;
}

/** An entity of the catalog that can be run. */
export interface RunnerComponent {
  componentRef: string;
  name: string;
  description?: string;
  owner?: string;
}

/** A fault that the hub keeps a record of. */
export interface RunnerFault {
  code: string;
  message: string;
  userMessage: string;
  severity: string;
  recoverable: boolean;
  retryable: boolean;
  context: {
    operation: string;
    timestamp: string;
    instanceId?: string;
    containerId?: string;
    componentRef?: string;
  };
}

/** Is there a container, or will there be one? */
export function isActive(instance: RunnerInstance | undefined): boolean {
  return (
    instance?.status === 'starting' ||
    instance?.status === 'running' ||
    instance?.status === 'stopping'
  );
}
